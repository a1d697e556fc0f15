"""A secondary that asks a dead primary hears nobody: what BIND really does, and what the step does about it."""

from __future__ import annotations

import subprocess

import pytest

from failover.name_servers.agreement import NameServer
from failover.name_servers.transport import DnsTransport
from failover.steps.dns import renotify
from failover.steps.dns.bind_role import take_role
from failover.steps.dns.lag import STUCK_S
from failover.steps.dns.step import DnsLags
from lab.until import stays, until
from localized.generations.store import GenerationStore
from localized.role import Role
from tests.world.failover.dns.binds import ADDRESSES, NET, SERIAL, Binds

pytestmark = pytest.mark.world

ZONE = "acme.example"


def secondary_of_both(binds: Binds, *, server: str = "", zone: str = "") -> None:
    """ns3 as its admin has it, the standby first, with options of its own."""
    primaries = " ".join(f"{ADDRESSES[name]} port {binds.port};" for name in ("dallas", "boston"))
    ns3 = binds["ns3"]
    ns3.stop()
    statement = f'zone "{ZONE}" {{ type secondary; file "acme.db"; primaries {{ {primaries} }}; {zone} }};'
    ns3.write(f"server {ADDRESSES['boston']} {{ {server} }};\n{statement}" if server else statement)
    ns3.start()
    ns3.wait_for(f"pbx.{ZONE}", "A", "192.0.2.11")
    until(ns3.rests, "rest of ns3")


def asks_the_dead(binds: Binds) -> None:
    """ns3 finds nothing newer on the standby and goes on to boston."""
    ns3 = binds["ns3"]
    subprocess.run([*ns3.rndc, "refresh", ZONE], check=True, capture_output=True)
    until(lambda: not ns3.rests(), "a question of ns3")


def test_the_notify_of_a_zone_that_is_loaded_unchanged_has_nobody_ask_the_dead_primary(binds: Binds) -> None:
    """named tells of the zone as it takes it over, before the update: with the serial that the others have."""
    secondary_of_both(binds)
    with binds.boston_is_dead_and_silent():
        began = len(binds["ns3"].log)
        take_role(binds["dallas"].named, GenerationStore(binds["dallas"].places), Role.DNS_PRIMARY, ZONE)
        told = f"notify from {ADDRESSES['dallas']}"
        until(lambda: told in binds["ns3"].log[began:], told)
        until(lambda: "zone is up to date" in binds["ns3"].log[began:], "an answer to it")
        assert binds["ns3"].rests()


def test_a_notify_that_comes_while_the_dead_are_asked_may_be_forgotten_and_is_repeated(binds: Binds) -> None:
    """Without EDNS BIND asks once instead of twice, and nothing listens for the transfer that it tries then: 15 s
    instead of STUCK_S."""
    said = subprocess.run(["named", "-v"], check=True, capture_output=True, text=True).stdout
    old = "BIND 9.18." in said  # 9.20 knows neither the option nor the second attempt that it switches off
    secondary_of_both(binds, server="edns no;", zone="use-alt-transfer-source no;" if old else "")
    ns3 = binds["ns3"]
    with binds.boston_is_dead_and_silent():
        asks_the_dead(binds)
        step = binds.step("dallas", 7, dead=("boston",), agree_within_s=2.5)
        assert not step.check()
        step.apply()
        with pytest.raises(DnsLags) as lags:
            step.verify()
        words = str(lags.value)
        assert f"Not in agreement after 2.5 s: ns3.acme.example ({NET}.13)" in words
        assert (
            f"ns3.acme.example probably asks boston, which is dead: BIND takes no NOTIFY meanwhile, for up to {STUCK_S}"
            in words
        )
        assert "try-tcp-refresh no" in words
        assert words.endswith("the same command again completes this step.")
        assert ns3.log.count("refresh check queued") >= 2
        (task,) = binds.renotify_tasks
        assert [one.address for one in task.whom] == [ADDRESSES["ns3"]]

        # It is over, and what was told meanwhile is forgotten: until its own refresh, a day from now, nothing happens.
        until(ns3.rests, "rest of ns3")
        stays(lambda: ns3.rests() and binds.serial("ns3") == SERIAL, "ns3 has the old zone and asks nobody", 1.5)
        renotify.start(task)
        ns3.wait_for(f"pbx.{ZONE}", "A", "192.0.2.12")
        assert binds.serial("ns3") == SERIAL + 100_000


def test_the_pipe_carries_the_whole_task(binds: Binds) -> None:
    own, whom = (NameServer(name, ADDRESSES[name]) for name in ("dallas", "ns3"))
    for key in (binds.key(), None):
        task = renotify.RenotifyTask(ZONE, own, DnsTransport(binds.port, own.address), (whom,), key)
        assert renotify.decode_task(renotify.encode_task(task)) == task


def test_a_reminder_ends_when_nobody_is_behind_or_nobody_has_the_zone(binds: Binds) -> None:
    own, whom = (NameServer(name, ADDRESSES[name]) for name in ("dallas", "ns3"))
    task = renotify.RenotifyTask(ZONE, own, DnsTransport(binds.port, own.address), (whom,))
    assert renotify.renotify(task) == []
    binds["dallas"].stop()
    assert renotify.renotify(task) == (whom,)


def test_who_refuses_our_notify_is_told_what_it_lacks(binds: Binds) -> None:
    ns3 = binds["ns3"]
    ns3.stop()
    primaries = f"{ADDRESSES['boston']} port {binds.port};"
    ns3.write(f'zone "{ZONE}" {{ type secondary; file "acme.db"; primaries {{ {primaries} }}; }};')
    ns3.start()
    ns3.wait_for(f"pbx.{ZONE}", "A", "192.0.2.11")
    binds["boston"].stop()
    step = binds.step("dallas", 7, dead=("boston",), agree_within_s=2.5)
    assert not step.check()
    step.apply()
    with pytest.raises(DnsLags, match=r"ns3.* took no NOTIFY: REFUSED; .*needs this machine in its primaries"):
        step.verify()


def test_a_secondary_is_told_by_us_where_named_does_not_tell_it(binds: Binds) -> None:
    """The zone is ours already, and our named sends no NOTIFY: who has not followed after a moment is told."""
    dallas = binds["dallas"]
    binds["boston"].stop()
    step = binds.step("dallas", 7, dead=("boston",))
    assert not step.check()
    step.apply()
    step.verify()
    conf = dallas.directory / "named.conf"
    conf.write_text(conf.read_text().replace("notify yes;", "notify no;"))
    dallas.named.reconfig()
    until(lambda: dallas.named.role(ZONE) == "primary", "the role of dallas")
    again = binds.step("dallas", 8, dead=("boston",))
    assert not again.check()
    again.apply()
    assert "2 of 3 servers agree" in again.verify()
    assert binds.serial("ns3") == SERIAL + 100_001
