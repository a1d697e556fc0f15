"""Zones as people keep them, each changed on one name server with many zones.

These run on our own server; `tests/world/failover/dns/test_fake_name_server.py` runs the same ones on BIND.
"""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest

from failover.bind.named import LocalNamed
from failover.bind.zone_text import ZoneFileUnclear
from failover.errors import NotProven
from failover.name_servers.agreement import NameServer
from failover.name_servers.transport import DnsTransport
from failover.name_servers.update import UpdateRefused
from failover.steps.dns.dry_run import _update
from failover.steps.dns.obstacle import zone_obstacle_here
from pair.tsig_key import parse_tsig_key
from tests.failover.steps.dns.zones import carried_out, section, serial_of, step
from tests.fakes.four_name_servers import KEY, Server


@pytest.mark.parametrize("name", ["wildcname", "wildtxt", "wilda", "wildboth", "wildsame", "policy"])
def test_what_a_wildcard_answers_does_not_stand_at_the_name(server: Server, name: str) -> None:
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


def test_an_alias_at_the_name_itself_is_no_wildcard(server: Server) -> None:
    with pytest.raises(NotProven, match=r"alias \(CNAME\) at pbx\.alias\.example"):
        step(server, "alias").saved()


def test_a_key_that_may_change_the_names_alone_is_tried_and_works(server: Server) -> None:
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


def test_a_refusal_is_told_with_the_reason_of_this_zone(server: Server) -> None:
    with pytest.raises(
        UpdateRefused,
        match=r"takes no updates there\. Put .*: update-policy { grant .failover. name pbx",
    ):
        step(server, "closed").apply()
    subprocess.run([*server.rndc, "freeze", "frozen.example"], check=True, capture_output=True)
    with pytest.raises(NotProven, match=r"frozen.*rndc thaw frozen\.example"):
        step(server, "frozen").apply()
    subprocess.run([*server.rndc, "thaw", "frozen.example"], check=True, capture_output=True)
    assert "1 of 1 servers agree" in carried_out(step(server, "frozen"))
    follow: dict[str, Any] = {"follow": {"pbx.office": {"boston": "192.0.2.12", "dallas": "192.0.2.11"}}}
    with pytest.raises(NotProven, match=r"delegates office\.delegated\.example\. to other name servers"):
        step(server, "delegated", **follow).apply()


@pytest.mark.parametrize(
    ("name", "follow", "words"),
    [
        ("generated", "pbx1", r"generated\.db:5: pbx1\.generated\.example\. may come from this \$GENERATE"),
        ("policy", "pbx", "is dynamic"),
        ("elsewhere", "pbx", "and dns.zone_file is"),
    ],
)
def test_a_file_that_cannot_be_edited_is_left_as_it_is(server: Server, name: str, follow: str, words: str) -> None:
    file = server.directory / f"{name}.db"
    before = file.read_bytes()
    where = str(server.directory / "alias.db") if name == "elsewhere" else str(file)
    more: dict[str, Any] = {"follow": {follow: {"boston": "192.0.2.12", "dallas": "192.0.2.11"}}, "zone_file": where}
    with pytest.raises((ZoneFileUnclear, NotProven), match=words):
        step(server, name, method="zonefile", **more).apply()
    if name == "generated":
        section_of = section(server, name, method="zonefile", **more)
        assert re.search(words, zone_obstacle_here(section_of, "boston"))
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["generated", "inherited", "days"])
def test_a_file_is_edited_and_nothing_else_changes(server: Server, name: str) -> None:
    bind, zone = LocalNamed.of(section(server, name)), f"{name}.example"
    file = server.directory / f"{name}.db"

    def others() -> list[str]:
        lines = bind.canonical(zone, file).splitlines()
        return [line for line in lines if not re.match(rf"(pbx|_failover)\.{zone}\.\s+\d+ IN (A|TXT)\s", line)][1:]

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


def test_a_serial_that_is_a_date_or_a_time_stays_one(server: Server) -> None:
    """What an admin or a tool writes next is later than what a take-over leaves behind."""
    carried_out(step(server, "dated"))
    left = int(server.answers("dated.example", "SOA").split()[2])
    assert serial_of("dated") < left < int(f"{datetime.now(UTC).date():%Y%m%d}00")
    was = int(server.answers("unix.example", "SOA").split()[2])
    carried_out(step(server, "unix"))
    assert was < int(server.answers("unix.example", "SOA").split()[2]) < datetime.now(UTC).timestamp()
