"""What tests of a whole cutover share: the pair as its admin has it, what must be so afterwards, and who held the right
at which moment."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Final

from failover.journal import journal
from failover.journal.entry import EntryKind
from failover.journal.run import Run, load
from host.command import Finished
from lab import World
from lab.carrier.accounts import ACCOUNTS
from lab.carrier.registers import Answer
from lab.until import HANG_S, stays, until
from lab.world.machine import Machine
from tests.world.failover.pairing import become, introduce

DELEGATION: Final = '[dns.delegation]\nboston = ["192.0.2.11"]\ndallas = ["192.0.2.12"]\nns3 = ["192.0.2.13"]\n'
SHARED: Final = tuple(one.username for one in ACCOUNTS if one.machine is None)
REPLACING: Final = ("acme", "metro", "nova")
SERVED: Final = 5
"""Exit code of a promotion that serves: a person has yet to call the carrier acme."""


def failover(machine: Machine, *arguments: str, deadline_s: float = 120.0) -> Finished:
    return machine.run(["failover", *arguments], deadline_s=deadline_s)


def answered(machine: Machine, *arguments: str) -> Finished:
    """The command, once its question to a living peer was answered.

    A machine that is busy with everything else lets that hang now and then, and nothing is touched.
    """

    def done() -> Finished | None:
        ended = failover(machine, *arguments)
        return None if ended.returncode == 3 and "ssh hung" in ended.stdout + ended.stderr else ended

    return until(done, "an answer of the peer", deadline_s=5 * HANG_S)


def served(machine: Machine, *arguments: str) -> None:
    """Carries out a promotion of any kind; it must end with this machine serving, in PBX and DNS."""
    done = answered(machine, *arguments, "--json")
    said = done.stdout + done.stderr
    assert done.returncode == SERVED, said
    ends = {one["step"]: one["event"] for one in map(json.loads, done.stdout.splitlines()) if one["event"] != "began"}
    assert ends["fence"] == ends["dns"] == "verified", said
    assert ends["localize"] in ("verified", "open"), said
    assert failover(machine, "is-primary").returncode == 0


def set_up(world: World) -> None:
    """boston primary by a promotion, dallas standby."""
    introduce(world)
    become(world.dallas, "standby")
    become(world.boston, "standby")
    served(world.boston, "promote")
    names_agree(world, world.boston, name_servers(world))
    name_servers_rest(world)


# DNS


def dig(machine: Machine, server: Machine, name: str, kind: str) -> str:
    """What a name server says, asked from a machine; empty when it does not."""
    argv = ["dig", "+short", "+norecurse", "+time=1", "+tries=2", f"@{server.address}", name, kind]
    return machine.run(argv).stdout.strip()


def names_agree(world: World, to: Machine, servers: Sequence[Machine]) -> None:
    """Returns when every one of the servers tells this machine's address, its promotion, and one serial."""

    def told() -> dict[str, list[str]]:
        return {one.name: [dig(to, one, f"{name}acme.example", kind) for name, kind in QUESTIONS] for one in servers}

    def agreed() -> bool:
        first, *others = told().values()
        good = first[0] == to.address and f"machine={to.name}" in first[1]
        return good and all(other == first for other in others)

    until(agreed, f"{to.name} in DNS", told=told)


def name_servers_rest(world: World) -> None:
    """Until none of them has asked or transferred anything for a second.

    A BIND that is asking a machine in the moment of its death goes on for up to 105 s and hears nobody meanwhile
    (docs/understand/dns.md). Before a test takes the power from a machine, it lets that moment pass.
    """

    def rest() -> bool:
        said = [one.run(["rndc", "status"]).stdout for one in name_servers(world) if one.on]
        return all("soa queries in progress: 0\n" in one and "xfers running: 0\n" in one for one in said)

    def rested() -> bool:
        stays(rest, "name servers at rest", 1.0)
        return True

    until(rested, "name servers at rest for a second")


QUESTIONS: Final = (("pbx.", "A"), ("_failover.", "TXT"), ("", "SOA"))


def name_servers(world: World) -> list[Machine]:
    return [world.boston, world.dallas, world.ns3]


# Calls


def calls_land(world: World, to: Machine) -> None:
    """Calls to accounts that the carrier gives to the last who registers, and by address, are answered by this machine
    at once."""
    for trunk in REPLACING:
        world.carrier.await_holder(trunk, [to.name])
    for trunk in (*REPLACING, "better"):
        call = world.carrier.call(trunk)
        assert call.machine == to.name, (trunk, call)


def forked_lands(world: World, to: Machine, *, expiry_s: float) -> None:
    """The same where the carrier rings both: what the other machine left behind there lives until it runs out."""
    world.carrier.await_holder("forked", [to.name], deadline_s=expiry_s + HANG_S)
    assert world.carrier.call("forked").machine == to.name


def whole(world: World, to: Machine, *, expiry_s: float) -> None:
    """The account that refuses a second registration is held as well, if need be after the command is repeated."""

    def held() -> bool:
        if world.carrier.holder("strict") != [to.name]:
            done = to.run(["render-localized", "--reload"])
            assert done.returncode in (0, 5), done.stdout + done.stderr
            world.carrier.await_holder("strict", [to.name], deadline_s=2)
        return True

    until(held, f"strict held by {to.name}", deadline_s=expiry_s + HANG_S)
    assert world.carrier.call("strict").machine == to.name


# Coming back


def comes_back_as_standby(world: World, machine: Machine) -> None:
    """Its power returns: the guard decides before Asterisk and named start, as its unit has it; then it is standby."""
    peer = world.peer_of(machine)
    if machine.on:
        machine.power_off()
    machine.power_on(services=["sshd"])
    begun = time.clock_gettime(time.CLOCK_BOOTTIME)
    guarded = failover(machine, "boot-guard")
    assert guarded.returncode == 0, guarded.stdout + guarded.stderr
    assert f"starts as standby: {peer.name} is primary" in guarded.stdout, guarded.stdout
    machine.start_asterisk()
    machine.start_named()
    assert failover(machine, "is-primary").returncode == 1
    zone = machine.run(["rndc", "zonestatus", "acme.example"])
    assert "type: secondary" in zone.stdout, zone.stdout + zone.stderr
    assert failover(peer, "is-primary").returncode == 0
    names_agree(world, peer, name_servers(world))
    of_it = [one for one in world.carrier.registers() if one.machine == machine.name and one.account in SHARED]
    assert [one for one in of_it if one.at > begun] == []


# The right


def runs(machine: Machine) -> list[Run]:
    """What a machine's journals tell; also while it has no power."""
    where = machine.path("/var/lib/hotstandby/journal")
    return [run for file in journal.files(where) if (run := load(file)) is not None]


def changes(world: World) -> list[tuple[float, str]]:
    """When the right moved, oldest first: seconds on CLOCK_BOOTTIME, and who has it from then on; "" is nobody.

    A machine has it from the moment its journal says that registering begins. From the moment that its fence is proven
    the other one has it no longer.
    """
    found = []
    for machine in (world.boston, world.dallas):
        for run in runs(machine):
            for entry in run.entries:
                if entry.step == "fence" and entry.kind is EntryKind.VERIFIED:
                    found.append((entry.stamp.boottime, ""))
                elif entry.step == "localize" and entry.kind is EntryKind.BEGUN:
                    found.append((entry.stamp.boottime, machine.name))
    return sorted(found)


def violations(world: World) -> list[tuple[str, Answer]]:
    """Every registration of a shared account that the carrier accepted from a machine without the right, with who had
    it then."""
    moved = changes(world)
    found = []
    for one in world.carrier.registers():
        before = [who for at, who in moved if at <= one.at]
        if one.account in SHARED and before and one.machine != before[-1]:
            found.append((before[-1], one))
    return found


def nobody_registered_without_the_right(world: World) -> None:
    """Fails with what the carrier accepted; and when there was nothing to see, for that would prove nothing."""
    assert violations(world) == []
    seen = {(one.account, one.machine) for one in world.carrier.registers()}
    held = {who for _, who in changes(world) if who}
    # The account that refuses a second registration may have yet to come.
    at_once = [one.username for one in ACCOUNTS if one.username in SHARED and one.second != "refused"]
    assert {(account, who) for account in at_once for who in held} <= seen, sorted(seen)


def epochs(world: World) -> list[int]:
    """Of every promotion, in the order in which their fences were proven."""
    told: list[tuple[float, int]] = []
    for machine in (world.boston, world.dallas):
        told += [
            (entry.stamp.boottime, run.epoch)
            for run in runs(machine)
            for entry in run.entries
            if entry.step == "fence" and entry.kind is EntryKind.VERIFIED
        ]
    return [epoch for _, epoch in sorted(told)]


def status(machine: Machine) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(failover(machine, "status", "--json").stdout)
    return told
