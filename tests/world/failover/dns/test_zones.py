"""Zones as people keep them, changed on a real name server: each kind of one, on one server with many zones."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from failover.bind.named import LocalNamed, ZoneInSeveralViews
from failover.bind.zone_text import ZoneFileUnclear
from failover.errors import NotProven
from failover.name_servers.transport import DnsTransport
from failover.name_servers.update import UpdateRefused
from failover.steps.dns.obstacle import zone_obstacle, zone_obstacle_here
from tests.failover.steps.dns.zones import DYNAMIC, HEAD, NO_TTL, ZONES, carried_out, options, section, serial_of, step
from tests.world.failover.dns.binds import KEY, Bind, free_port

pytestmark = pytest.mark.world

CHOOSING = KEY.replace("failover", "choosing")


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


def test_a_journal_that_cannot_be_written_is_a_refusal(server: Bind) -> None:
    (server.directory / "journal.db.jnl").mkdir()
    with pytest.raises(UpdateRefused, match="SERVFAIL, it failed: it cannot write its journal"):
        step(server, "journal").apply()


@pytest.mark.parametrize(
    ("name", "follow", "words"),
    [
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


@pytest.mark.parametrize("name", ["unusual", "inline", "differences", "views"])
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
