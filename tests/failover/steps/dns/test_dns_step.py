"""The zone is moved on four name servers: asked, changed, and proven on every one of them.

These run on our own servers; `tests/world/test_fake_name_server.py` runs the same ones on BIND.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from failover.bind.named import NamedRefuses
from failover.errors import NotProven
from failover.name_servers.agreement import NameServer
from failover.name_servers.delegation import DelegationUnknown, read_delegation
from failover.name_servers.query import query_server
from failover.name_servers.transport import DnsTransport
from failover.name_servers.update import PrerequisiteFailed, UpdateRefused, ZoneUpdate, send_update
from failover.steps.dns.bind_role import take_role
from failover.steps.dns.change import LaterPromotionInZone
from failover.steps.dns.step import DnsLags, DnsStep
from localized.generations.store import GenerationStore
from localized.role import Role
from tests.fakes.four_name_servers import ADDRESSES, KEY, NET, PHONES, SERIAL, ZONE, AnyServers

TRUTH = '"hotstandby=1 machine=dallas epoch=7"'


def carried_out(step: DnsStep) -> str:
    assert not step.check()
    step.apply()
    return step.verify()


def test_a_secondary_takes_over_its_raw_zone_when_the_primary_is_dead(binds: AnyServers) -> None:
    with (binds["dallas"].directory / "acme.db").open("rb") as file:
        assert file.read(4) == b"\0\0\0\2"
    binds["boston"].stop()
    step = binds.step("dallas", 7, dead=("boston",))
    proof = carried_out(step)
    assert "2 of 3 servers agree: pbx 192.0.2.12, www 192.0.2.22" in proof
    assert f"boston ({NET}.11): no answer" in proof
    for name in ("dallas", "ns3"):
        assert binds[name].answers("pbx.acme.example", "A") == "192.0.2.12"
        assert binds[name].answers("_failover.acme.example", "TXT") == TRUTH
        assert binds.serial(name) == SERIAL + 100_000
    assert binds["dallas"].named.role("acme.example") == "primary"
    again = binds.step("dallas", 7, dead=("boston",))
    assert again.check()
    again.apply()
    assert binds.serial("dallas") == SERIAL + 100_000


def test_a_copy_that_has_expired_is_taken_over_where_the_primary_died_before_it_gave_a_newer_one(
    binds: AnyServers,
) -> None:
    """As after a boot guard that distrusted it: this machine is promoted with what it has."""
    dallas = binds["dallas"]
    binds["boston"].stop()
    dallas.stop()
    dallas.named.expire_copy("acme.example")
    dallas.start()
    dallas.wait_for("acme.example", "SOA", "(SERVFAIL)")
    status = dallas.named.status("acme.example")
    assert (status.kind, status.loaded) == ("secondary", False)
    step = binds.step("dallas", 7, dead=("boston",))
    assert not step.check()
    saved = step.saved()
    assert saved["role"] == "secondary"
    assert '["pbx", "A", ["192.0.2.11"]]' in json.dumps(saved["records"])
    step.apply()
    assert "2 of 3 servers agree: pbx 192.0.2.12" in step.verify()
    assert dallas.named.role("acme.example") == "primary"
    assert dallas.answers("_failover.acme.example", "TXT") == TRUTH


def test_a_raw_zone_under_a_text_statement_is_converted_and_plain_checks_miss_it(binds: AnyServers) -> None:
    """The generation of the primary says text; the secondary's file is raw, and its journal is ahead of it."""
    binds["boston"].stop()
    step = binds.step("dallas", 7, dead=("boston",))
    assert not step.check()
    step.apply()
    with (binds["dallas"].directory / "acme.db").open("rb") as file:
        assert file.read(4) != b"\0\0\0\2"


def test_the_parent_being_unknown_is_told_and_the_configured_servers_are_asked(binds: AnyServers) -> None:
    binds["parent"].stop()
    binds["boston"].stop()
    proof = carried_out(binds.step("dallas", 7, dead=("boston",)))
    assert "1 of 2 servers agree" in proof
    assert "could not be asked for its name servers" in proof


def test_the_old_primary_comes_back_as_secondary_and_follows(binds: AnyServers) -> None:
    binds["boston"].stop()
    carried_out(binds.step("dallas", 7, dead=("boston",)))
    boston = GenerationStore(binds["boston"].places)
    generation = boston.newest(Role.DNS_SECONDARY)
    assert generation is not None
    boston.activate(generation)
    binds["boston"].start()
    binds["boston"].wait_for("pbx.acme.example", "A", "192.0.2.12")
    assert "3 of 3 servers agree" in binds.step("dallas", 7).verify()


def test_a_planned_switch_and_back_while_all_are_alive(binds: AnyServers) -> None:
    stores = {name: GenerationStore(binds[name].places) for name in ("boston", "dallas")}
    assert "secondary" in take_role(binds["boston"].named, stores["boston"], Role.DNS_SECONDARY, "acme.example")
    assert "3 of 3 servers agree: pbx 192.0.2.12" in carried_out(binds.step("dallas", 7))
    take_role(binds["dallas"].named, stores["dallas"], Role.DNS_SECONDARY, "acme.example")
    assert "3 of 3 servers agree: pbx 192.0.2.11" in carried_out(binds.step("boston", 8))
    assert binds.serial("ns3") == SERIAL + 200_000


def test_what_undo_puts_back_is_what_was_there_with_a_later_serial(binds: AnyServers) -> None:
    binds["boston"].stop()
    step = binds.step("dallas", 7, dead=("boston",))
    assert not step.check()
    saved = step.saved()
    step.apply()
    step.verify()
    said = binds.step("dallas", 7, dead=("boston",)).undo(saved)
    assert "secondary" in said
    for name in ("dallas", "ns3"):
        binds[name].wait_for("pbx.acme.example", "A", "192.0.2.11")
        assert binds[name].answers("_failover.acme.example", "TXT") == "(NXDOMAIN)"
    assert binds.serial("dallas") == SERIAL + 100_001
    assert binds["dallas"].named.role("acme.example") == "secondary"


def test_a_server_that_lags_or_lies_or_is_silent_is_named_with_what_it_said(binds: AnyServers) -> None:
    binds["boston"].stop()
    binds["ns3"].stop()
    with pytest.raises(DnsLags, match=rf"ns3\.acme\.example \({re.escape(NET)}\.13\): no answer.*after 1 s: ns3"):
        carried_out(binds.step("dallas", 7, dead=("boston",), agree_within_s=1.0))
    # It lies: another primary, with the very same serial.
    lie = ZONE.format(net=NET, serial=binds.serial("dallas")).replace("$INCLUDE phones.inc", "pbx 30 A 192.0.2.66")
    (binds["ns3"].directory / "acme.db").write_text(lie)
    binds["ns3"].write('zone "acme.example" { type primary; file "acme.db"; };')
    binds["ns3"].start()
    binds["ns3"].wait_for("pbx.acme.example", "A", "192.0.2.66")
    step = binds.step("dallas", 7, dead=("boston",), agree_within_s=1.0)
    assert not step.check()
    with pytest.raises(DnsLags, match=r"ns3.*: pbx A 192\.0\.2\.66, www A 192\.0\.2\.21, _failover TXT nothing"):
        step.verify()
    # It does not know the zone.
    binds["ns3"].stop()
    binds["ns3"].write("")
    binds["ns3"].start()
    binds["ns3"].wait_for("acme.example", "SOA", "(REFUSED)")
    with pytest.raises(DnsLags, match=r"ns3.*answers REFUSED"):
        binds.step("dallas", 7, dead=("boston",), agree_within_s=1.0).verify()


def test_each_refusal_says_why_and_what_to_do(binds: AnyServers) -> None:
    line = DnsTransport(binds.port, ADDRESSES["boston"])
    boston, dallas = NameServer("boston", ADDRESSES["boston"]), NameServer("dallas", ADDRESSES["dallas"])
    parent = NameServer("parent", ADDRESSES["parent"])
    keys = [("pbx", "A")]
    own = query_server(boston, "acme.example", keys, line)
    after = {("pbx", "A"): frozenset({"192.0.2.12"})}
    change = ZoneUpdate("acme.example", own.records, after, 30, own.soa, own.soa_ttl)
    stale = ZoneUpdate("acme.example", {("pbx", "A"): frozenset({"192.0.2.99"})}, after, 30, own.soa, own.soa_ttl)
    cases = [
        (boston, change, KEY.replace("bm90", "bm91"), UpdateRefused, "BADSIG"),
        (boston, change, KEY.replace('"failover"', '"other"'), UpdateRefused, "BADKEY"),
        (dallas, change, KEY, UpdateRefused, "REFUSED, it is not the primary.*rndc zonestatus"),
        (parent, change, KEY, UpdateRefused, "NOTAUTH, it does not serve"),
        (boston, stale, KEY, PrerequisiteFailed, "NXRRSET"),
    ]
    for server, sent, key, error, words in cases:
        with pytest.raises(error, match=words):
            send_update(sent, server, binds.key(key), line, deadline_s=3.0)
    with binds.clock_off("boston"), pytest.raises(UpdateRefused, match="BADTIME, the clocks differ"):
        send_update(change, boston, binds.key(), line, deadline_s=3.0)
    assert binds["boston"].answers("pbx.acme.example", "A") == "192.0.2.11"
    send_update(change, boston, binds.key(), line, deadline_s=3.0)
    assert binds["boston"].answers("pbx.acme.example", "A") == "192.0.2.12"


@pytest.mark.parametrize("third", [False, True], ids=["a machine's own server", "a third one, and no other is known"])
def test_of_two_promotions_at_once_the_zone_takes_the_first(binds: AnyServers, third: bool) -> None:
    """Both machines were promoted with the same number, and one server takes the updates of both."""
    shared: dict[str, Any] = {"primary": "boston", "follow": {"pbx": {"boston": "192.0.2.11", "dallas": "192.0.2.12"}}}
    if third:
        shared |= {"primary": "third", "servers": {"third": ADDRESSES["boston"]}}
    carried_out(binds.step("boston", 7, **shared))
    serial = binds.serial("boston")
    step = binds.step("dallas", 7, **shared)
    assert not step.check()
    with pytest.raises(LaterPromotionInZone, match=r"boston \(epoch 7\) is primary.*failover demote"):
        step.apply()
    assert binds.serial("boston") == serial
    assert "3 of 3 servers agree: pbx 192.0.2.12" in carried_out(binds.step("dallas", 8, **shared))
    assert binds.serial("boston") == serial + 1


def test_the_delegation_is_asked_at_the_parent_alone(binds: AnyServers) -> None:
    found = read_delegation(binds.dns())
    assert found == {f"ns{n}.acme.example": (f"{NET}.1{n}",) for n in (1, 2, 3)}
    binds["parent"].stop()
    with pytest.raises(DelegationUnknown, match=r"dns\.parent"):
        read_delegation(binds.dns())


def test_a_generation_that_named_would_not_load_changes_nothing(binds: AnyServers) -> None:
    store = GenerationStore(binds["dallas"].places)
    conf = next((binds["dallas"].places.localized / "generations").glob("*dns-primary*")) / "named" / "zones.conf"
    before = conf.read_text()
    link = store.root / "current-dns"
    for broken in ("zone", before.replace("acme.db", "missing.db"), before.replace("type primary", "type hint")):
        conf.write_text(broken)
        was = link.readlink()
        with pytest.raises(NamedRefuses):
            take_role(binds["dallas"].named, store, Role.DNS_PRIMARY, "acme.example")
        assert link.readlink() == was
        assert binds["dallas"].named.role("acme.example") == "secondary"
        assert binds["dallas"].answers("pbx.acme.example", "A") == "192.0.2.11"


def test_the_silence_of_a_demoted_peer_is_waited_out_for_a_moment_and_told(binds: AnyServers) -> None:
    take_role(binds["boston"].named, GenerationStore(binds["boston"].places), Role.DNS_SECONDARY, "acme.example")
    step = binds.step("dallas", 7, peer="boston", agree_within_s=600.0)
    assert not step.check()
    binds["boston"].stop()
    step.apply()
    began = time.monotonic()
    assert f"boston ({NET}.11): no answer" in step.verify()
    assert time.monotonic() - began < 300  # and not until the 600 s for an agreement are over


def test_our_own_named_being_down_is_said(binds: AnyServers) -> None:
    binds["dallas"].stop()
    with pytest.raises(NotProven, match=r"dallas.*no answer.*rndc status"):
        binds.step("dallas", 7).saved()


def test_a_zone_file_is_edited_in_place_and_reloaded(by_file: AnyServers) -> None:
    dallas = by_file["dallas"]
    (dallas.directory / "acme.db").write_text(ZONE.format(net=NET, serial=SERIAL))
    by_file["boston"].stop()
    proof = carried_out(by_file.step("dallas", 7, dead=("boston",)))
    assert "2 of 3 servers agree: pbx 192.0.2.12, www 192.0.2.22" in proof
    text = (dallas.directory / "acme.db").read_text()
    expected = ZONE.format(net=NET, serial=SERIAL + 100_000).replace("192.0.2.21", "192.0.2.22")
    assert text == expected + f"_failover.acme.example.\t30\tIN\tTXT\t{TRUTH}\n"
    assert (dallas.directory / "phones.inc").read_text() == PHONES.replace("192.0.2.11", "192.0.2.12")
    assert by_file["ns3"].answers("pbx.acme.example", "A") == "192.0.2.12"
    assert by_file.step("dallas", 7, dead=("boston",)).check()


def test_a_zone_file_that_would_not_load_is_put_back(by_file: AnyServers) -> None:
    dallas = by_file["dallas"]
    take_role(by_file["boston"].named, GenerationStore(by_file["boston"].places), Role.DNS_SECONDARY, "acme.example")
    take_role(dallas.named, GenerationStore(dallas.places), Role.DNS_PRIMARY, "acme.example")
    text = ZONE.format(net=NET, serial=SERIAL) + "broken IN A 192.0.2.300\n"
    (dallas.directory / "acme.db").write_text(text)
    step = by_file.step("dallas", 7)
    with pytest.raises(NamedRefuses, match=r"192\.0\.2\.300|bad dotted quad"):
        step.apply()
    assert (dallas.directory / "acme.db").read_text() == text
    assert (dallas.directory / "phones.inc").read_text() == PHONES
