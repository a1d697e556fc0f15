"""Zones as people keep them, changed on a real name server: each kind of one, on one server with many zones."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from failover.bind.named import LocalNamed, ZoneInSeveralViews
from failover.bind.zone_text import ZoneFileUnclear
from failover.errors import NotProven
from failover.name_servers.agreement import NameServer
from failover.name_servers.transport import DnsTransport
from failover.name_servers.update import UpdateRefused
from failover.steps.dns.dry_run import _update
from failover.steps.dns.obstacle import zone_obstacle, zone_obstacle_here
from failover.steps.dns.step import DnsStep
from localized.generations.store import GenerationStore
from pair.sections.dns import Dns
from pair.tsig_key import parse_tsig_key
from tests.world.failover.dns.binds import KEY, Bind, free_port

pytestmark = pytest.mark.world

HEAD = "$TTL 3600\n@ IN SOA ns1 hostmaster ( {serial} 1d 2h 4w 1h )\n  IN NS ns1\nns1 IN A 192.0.2.53\n"
PBX = "pbx 30 IN A 192.0.2.11\n"
ZONES = {
    "wildcname": "* CNAME www\nwww A 192.0.2.80\n" + PBX,
    "wildtxt": '* TXT "v=spf1 -all"\n' + PBX,
    "wilda": "* A 192.0.2.11\n",
    "wildboth": '* A 192.0.2.11\npbx A 192.0.2.11\npbx TXT "stays"\n',
    "wildsame": '* A 192.0.2.11\n* TXT "same"\npbx A 192.0.2.11\npbx TXT "same"\n',
    "alias": "pbx CNAME www\nwww A 192.0.2.80\n",
    "policy": PBX,
    "frozen": PBX,
    "closed": PBX,
    "delegated": "office NS ns.other.example.\npbx.office A 192.0.2.11\n",
    "generated": "$GENERATE 1-4 pbx$ IN A 192.0.2.1$\n$GENERATE 1-4 pbx$ IN TXT t\n" + PBX,
    "unusual": 'büro TXT "ä"\n"pbx" TYPE1 \\# 4 C000020B\nother CLASS1 A 192.0.2.9\n',
    "inherited": "",
    "views": PBX,
    "dated": PBX,
    "unix": PBX,
    "inline": PBX,
    "differences": PBX,
    "byhand": PBX,
    "keyless": PBX,
    "policied": PBX,
    "elsewhere": PBX,
    "journal": PBX,
    "days": "$TTL 1D\n\n\tIN\tMX\t10 mail\nmail A 192.0.2.30\n" + PBX,
}
NO_TTL = (
    "@ 600 IN SOA ns1 hostmaster ( 7 1d 2h 4w 1h )\n 600 IN NS ns1\nns1 600 A 192.0.2.53\npbx 300 A 192.0.2.11\n"
    "old A 192.0.2.9\n"
)
"""Without $TTL: old takes the 300 of the record before it."""
CHOOSING = KEY.replace("failover", "choosing")
DYNAMIC = 'update-policy { grant "failover" zonesub ANY; };'
BY_NAME = 'update-policy {{ grant "failover" name pbx.{0}. A AAAA; grant "failover" name _failover.{0}. TXT; }};'


def options(name: str, directory: Path) -> str:
    signed = f'dnssec-policy default; key-directory "{directory}/keys";'
    return {
        "policy": BY_NAME.format(f"{name}.example"),
        "generated": "",
        "unusual": "",
        "inherited": "",
        "delegated": DYNAMIC,
        "views": "",
        "closed": "",
        "elsewhere": "",
        "days": "",
        "inline": f"{signed} inline-signing yes;",
        "differences": "ixfr-from-differences yes;",
        "byhand": "",
        "keyless": DYNAMIC,
        "policied": f"{signed} {DYNAMIC}",
    }.get(name, DYNAMIC)


def serial_of(name: str) -> int:
    today = datetime.now(UTC).date()
    return {
        "dated": int(f"{today - timedelta(days=400):%Y%m%d}01"),
        "unix": int(datetime.now(UTC).timestamp()) - 5000,
    }.get(name, 7)


def sign(directory: Path, zone: str, file: str) -> None:
    """As people sign by hand: the signatures go into the zone's own file."""
    for flags in (["-f", "KSK"], []):
        argv = ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", *flags, zone]
        subprocess.run(argv, cwd=directory, check=True, capture_output=True)
    argv = ["dnssec-signzone", "-q", "-S", "-o", zone, "-f", "signed", file]
    subprocess.run(argv, cwd=directory, check=True, capture_output=True)
    (directory / "signed").replace(directory / file)


@pytest.fixture(scope="module")
def server(name_server_addresses: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    where = tmp_path_factory.mktemp("zones")
    (where / "etc" / "localized" / "generations").mkdir(parents=True)
    (where / "keys").mkdir()
    bind = Bind("boston", where, free_port())
    zones = []
    for name, records in ZONES.items():
        file = where / f"{name}.db"
        text = NO_TTL if name == "inherited" else HEAD.format(serial=serial_of(name)) + records
        file.write_bytes(text.encode("utf-8"))
        zones.append(
            f'zone "{name}.example" {{ type primary; file "{name}.db"; {options(name, where)} check-names ignore; }};'
        )
    for name in ("byhand", "keyless"):
        sign(where, f"{name}.example", f"{name}.db")
    for key in where.glob("Kkeyless*"):
        key.unlink()
    for name, serial in (("inner", 70), ("keyed", 700), ("shared", 7)):
        (where / f"{name}.db").write_text(HEAD.format(serial=serial) + "pbx 30 IN A 192.0.2.11\n")
    inner = 'zone "views.example" { type primary; file "inner.db"; };'
    inner += f'zone "shared.example" {{ type primary; file "shared.db"; {DYNAMIC} }};'
    zones.append('zone "shared.example" { in-view "internal"; };')
    keyed = 'zone "views.example" { type primary; file "keyed.db"; update-policy { grant "choosing" zonesub ANY; }; };'
    bind.write(
        CHOOSING + 'view "keyed" { match-clients { key "choosing"; }; ' + keyed + " };\n"
        'acl "inside" { 10.0.0.0/8; };\nview "internal" { match-clients { "inside"; }; ' + inner + " };\n"
        'view "external" { match-clients { any; };\n' + "\n".join(zones) + "\n};"
    )
    bind.start()
    try:
        for name in ZONES:
            bind.wait_for(f"{name}.example", "SOA", f"hostmaster.{name}.example")
        yield bind
    finally:
        bind.stop()


def section(server: Bind, name: str, **more: object) -> Dns:
    given: dict[str, object] = {
        "zone": f"{name}.example",
        "key_file": "tsig.key",
        "servers": {"boston": server.address},
        "port": server.port,
        "delegation": {"ns1": [server.address]},
        "agree_within_s": 3.0,
        "named_conf": str(server.directory / "named.conf"),
        "rndc": list(server.rndc),
        "follow": {"pbx": {"boston": "192.0.2.12", "dallas": "192.0.2.11"}},
        **more,
    }
    if given.get("method") == "zonefile":
        given.setdefault("zone_file", str(server.directory / f"{name}.db"))
    return Dns.model_validate(given)


def step(
    server: Bind, name: str, epoch: int = 7, machine: str = "boston", *, key: str = KEY, **more: object
) -> DnsStep:
    dns_section = section(server, name, **more)
    return DnsStep(
        dns_section.model_copy(update={"own": {machine: server.address}}),
        machine,
        epoch,
        named=LocalNamed.of(dns_section),
        store=GenerationStore(server.places),
        key=parse_tsig_key(key, "tsig.key"),
        remind=lambda _: None,
    )


def carried_out(one: DnsStep) -> str:
    assert not one.check()
    one.apply()
    return one.verify()


@pytest.mark.parametrize("name", ["wildcname", "wildtxt", "wilda", "wildboth", "wildsame", "policy"])
def test_what_a_wildcard_answers_does_not_stand_at_the_name(server: Bind, name: str) -> None:
    """A promotion, the other machine's, and the way back by undo: at the end the zone answers as it did before."""
    before = [server.answers(f"{who}.{name}.example", kind) for who in ("pbx", "_failover") for kind in ("A", "TXT")]
    one = step(server, name)
    saved = one.saved()
    assert "1 of 1 servers agree: pbx 192.0.2.12" in carried_out(one)
    assert server.answers(f"pbx.{name}.example", "A") == "192.0.2.12"
    assert server.answers(f"_failover.{name}.example", "TXT") == '"hotstandby=1 machine=boston epoch=7"'
    assert step(server, name).check()
    assert "pbx 192.0.2.11" in carried_out(step(server, name, 8, "dallas"))
    step(server, name, 9).undo(saved)
    after = [server.answers(f"{who}.{name}.example", kind) for who in ("pbx", "_failover") for kind in ("A", "TXT")]
    assert [text.replace("NXDOMAIN", "NOERROR") for text in after] == [
        text.replace("NXDOMAIN", "NOERROR") for text in before
    ]


def test_an_alias_at_the_name_itself_is_no_wildcard(server: Bind) -> None:
    with pytest.raises(NotProven, match=r"alias \(CNAME\) at pbx\.alias\.example"):
        step(server, "alias").saved()


def test_a_key_that_may_change_the_names_alone_is_tried_and_works(server: Bind) -> None:
    line = DnsTransport(server.port, server.address)
    boston, key = NameServer("boston", server.address), parse_tsig_key(KEY, "tsig.key")
    serial = server.answers("policy.example", "SOA").split()[2]
    tried = _update(section(server, "policy"), "boston", boston, key, line)
    assert tried.good
    assert "may not change the SOA" in tried.words
    more: dict[str, Any] = {"follow": {"www": {"boston": "192.0.2.12", "dallas": "192.0.2.11"}}}
    other = _update(section(server, "policy", **more), "boston", boston, key, line)
    assert not other.good
    assert 'grant "failover" name www.policy.example. A;' in other.words
    assert server.answers("policy.example", "SOA").split()[2] == serial


def test_a_refusal_is_told_with_the_reason_of_this_zone(server: Bind) -> None:
    with pytest.raises(
        UpdateRefused,
        match=r"takes no updates there\. Put .*: update-policy { grant .failover. name pbx",
    ):
        step(server, "closed").apply()
    subprocess.run([*server.rndc, "freeze", "frozen.example", "IN", "external"], check=True, capture_output=True)
    with pytest.raises(NotProven, match=r"frozen.*rndc thaw frozen\.example"):
        step(server, "frozen").apply()
    subprocess.run([*server.rndc, "thaw", "frozen.example", "IN", "external"], check=True, capture_output=True)
    assert "1 of 1 servers agree" in carried_out(step(server, "frozen"))
    (server.directory / "journal.db.jnl").mkdir()
    with pytest.raises(UpdateRefused, match="SERVFAIL, it failed: it cannot write its journal"):
        step(server, "journal").apply()
    follow: dict[str, Any] = {"follow": {"pbx.office": {"boston": "192.0.2.12", "dallas": "192.0.2.11"}}}
    with pytest.raises(NotProven, match=r"delegates office\.delegated\.example\. to other name servers"):
        step(server, "delegated", **follow).apply()


@pytest.mark.parametrize(
    ("name", "follow", "words"),
    [
        ("generated", "pbx1", r"generated\.db:5: pbx1\.generated\.example\. may come from this \$GENERATE"),
        ("policy", "pbx", "is dynamic"),
        ("elsewhere", "pbx", "and dns.zone_file is"),
        ("byhand", "pbx", "signed"),
    ],
)
def test_a_file_that_cannot_be_edited_is_left_as_it_is(server: Bind, name: str, follow: str, words: str) -> None:
    file = server.directory / f"{name}.db"
    before = file.read_bytes()
    where = str(server.directory / "alias.db") if name == "elsewhere" else str(file)
    more: dict[str, Any] = {"follow": {follow: {"boston": "192.0.2.12", "dallas": "192.0.2.11"}}, "zone_file": where}
    with pytest.raises((ZoneFileUnclear, NotProven), match=words):
        step(server, name, method="zonefile", **more).apply()
    if name in ("generated", "byhand"):
        section_of = section(server, name, method="zonefile", **more)
        assert re.search(words, zone_obstacle_here(section_of, "boston"))
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["generated", "unusual", "inherited", "inline", "differences", "views", "days"])
def test_a_file_is_edited_and_nothing_else_changes(server: Bind, name: str) -> None:
    bind, zone = LocalNamed.of(section(server, name)), f"{name}.example"
    file = server.directory / f"{name}.db"

    def others() -> list[str]:
        lines = bind.canonical(zone, file).splitlines()
        return [line for line in lines if not re.match(rf"(pbx|_failover)\.{zone}\.\s+\d+ IN (A|TXT)\s", line)][1:]

    if name in ("inline", "differences"):
        # As an admin edits it: named keeps a journal beside the file from then on, and it is not dynamic for that.
        file.write_text(file.read_text().replace(" 7 ", " 8 ") + "www A 192.0.2.80\n")
        subprocess.run([*server.rndc, "reload", zone, "IN", "external"], check=True, capture_output=True)
        server.wait_for(f"www.{zone}", "A", "192.0.2.80")
        assert (server.directory / f"{name}.db.jnl").exists()
    if name == "days":
        # A link: what it leads to is written, and the link stays.
        file.rename(server.directory / "days.real")
        file.symlink_to("days.real")
    before = others()
    assert "1 of 1 servers agree: pbx 192.0.2.12" in carried_out(step(server, name, method="zonefile"))
    assert others() == before
    assert server.answers(f"pbx.{zone}", "A") == "192.0.2.12"
    assert step(server, name, method="zonefile").check()
    assert file.is_symlink() is (name == "days")
    text = file.read_bytes()
    step(server, name, method="zonefile").apply()
    assert file.read_bytes() == text


def test_a_zone_in_two_views_is_refused_in_words_or_changed_in_the_one_that_is_named(server: Bind) -> None:
    with pytest.raises(ZoneInSeveralViews, match=r'several views .*keyed, internal, external.*view = "external"'):
        LocalNamed(server.directory / "named.conf", server.rndc).status("views.example")
    with pytest.raises(ZoneInSeveralViews, match="does not stand in the view 'lobby'"):
        LocalNamed(server.directory / "named.conf", server.rndc, view="lobby").block("views.example")
    inner = LocalNamed.of(section(server, "views", view="internal"))
    assert inner.status("views.example").files == ("inner.db",)
    assert inner.role("views.example") == "primary"
    assert "views" in zone_obstacle(
        section(server, "views"), LocalNamed.of(section(server, "views")), server.address, DnsTransport()
    )


def test_an_update_goes_to_the_view_that_its_key_chooses_and_to_no_other(server: Bind) -> None:
    name = "views.example"
    shown = server.answers(f"pbx.{name}", "A"), server.answers(name, "SOA")
    with pytest.raises(NotProven, match=r"serial 70 in the view 'internal', and our questions are answered with"):
        step(server, "views", view="internal", method="zonefile", zone_file=str(server.directory / "inner.db")).apply()
    assert "pbx 192.0.2.12" in carried_out(step(server, "views", view="keyed", key=CHOOSING))
    assert LocalNamed.of(section(server, "views", view="keyed")).status(name).serial == 100_700
    assert (server.answers(f"pbx.{name}", "A"), server.answers(name, "SOA")) == shown
    assert LocalNamed.of(section(server, "views", view="internal")).status(name).serial == 70


def test_a_zone_that_one_view_has_from_another_is_one_zone(server: Bind) -> None:
    assert LocalNamed.of(section(server, "shared")).role("shared.example") == "primary"
    assert "pbx 192.0.2.12" in carried_out(step(server, "shared"))
    assert server.answers("pbx.shared.example", "A") == "192.0.2.12"


def test_a_serial_that_is_a_date_or_a_time_stays_one(server: Bind) -> None:
    """What an admin or a tool writes next is later than what a take-over leaves behind."""
    carried_out(step(server, "dated"))
    left = int(server.answers("dated.example", "SOA").split()[2])
    assert serial_of("dated") < left < int(f"{datetime.now(UTC).date():%Y%m%d}00")
    was = int(server.answers("unix.example", "SOA").split()[2])
    carried_out(step(server, "unix"))
    assert was < int(server.answers("unix.example", "SOA").split()[2]) < datetime.now(UTC).timestamp()


def delv(server: Bind, name: str, kind: str, anchors: Path) -> str:
    argv = ["delv", f"@{server.address}", "-p", str(server.port), "-a", str(anchors), "+root=" + name.split(".", 1)[1]]
    said = subprocess.run([*argv, name, kind], capture_output=True, text=True, check=False)
    return said.stdout + said.stderr


def test_a_signed_zone_is_changed_where_its_keys_are_and_refused_where_they_are_not(server: Bind) -> None:
    name = "policied.example"
    assert "1 of 1 servers agree" in carried_out(step(server, "policied"))
    query = dns.message.make_query(name, "DNSKEY")
    keys = dns.query.tcp(query, server.address, port=server.port, timeout=3).answer[0]
    anchors = server.directory / "anchors"
    lines = [
        f'"{name}" static-key {key.flags} {key.protocol} {key.algorithm} "{key.to_text().split(" ", 3)[3]}";'
        for key in keys
    ]
    anchors.write_text("trust-anchors {\n" + "\n".join(lines) + "\n};\n")
    said = delv(server, f"pbx.{name}", "A", anchors)
    assert "fully validated" in said, said
    assert "192.0.2.12" in said
    assert "fully validated" in delv(server, f"_failover.{name}", "TXT", anchors)
    with pytest.raises(NotProven, match=r"signed \(DNSSEC\).*Kkeyless\.example\.\+013\+\d{5}\.private not in"):
        step(server, "keyless").apply()
    assert server.answers("pbx.keyless.example", "A") == "192.0.2.11"
