"""kill -9 at each journal line of promote, demote and switchover, and between; the same command again ends it well."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from host import clock
from host.exits import Exit
from lab import World
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, answered, failover
from tests.world.failover.pairing import become, introduce
from tests.world.failover.promotion.mortal import GaveUp, Kind, Point, RightsWatch, killed, role_on_disk, told_by
from tests.world.failover.promotion.test_promote import runs

pytestmark = pytest.mark.world

TRUNKS = ("acme", "metro", "nova")
"""One of each driver; the carrier keeps the last that registered, so exactly one machine can be bound."""
WORD = ("--peer-is-down", "still dead")
PROMOTES = ("promote", *WORD)
MANY = 400
"""More lines, and more acts, than any command has; a matrix ends where a command ends by itself."""


class Pair:
    """Boston and dallas, one of them primary, and the rule that held from the first moment on."""

    def __init__(self, world: World, watch: RightsWatch) -> None:
        self.world = world
        self.watch = watch
        self.since = clock.boottime()

    def alive(self) -> list[Machine]:
        return [one for one in (self.world.boston, self.world.dallas) if one.on]

    def serves(self, primary: Machine) -> None:
        """One machine is primary in every place where that is written or seen, and the other in none."""
        assert open_runs(primary) == []
        servers = [one.address for one in (*self.alive(), self.world.ns3)]
        assert told_by(primary, servers) == [(primary.address, primary.name)] * len(servers)
        for one in self.alive():
            assert role_on_disk(one) == ("primary" if one is primary else "standby")
            assert one.path("/run/hotstandby/right.json").exists() is (one is primary)
            assert not one.path("/run/hotstandby/fenced").exists()
        for trunk in TRUNKS:
            self.world.carrier.await_holder(trunk, [primary.name])
        self.lawful()

    def rests(self, machine: Machine) -> None:
        """A machine is standby: nothing of it would register, and nothing says that it may."""
        assert open_runs(machine) == []
        assert role_on_disk(machine) == "standby"
        assert not machine.path("/run/hotstandby/right.json").exists()
        assert not machine.path("/run/hotstandby/fenced").exists()
        listed = machine.asterisk("pjsip show registrations") + machine.asterisk("iax2 show registry")
        assert "555" not in listed, listed
        self.lawful()

    def lawful(self) -> None:
        assert self.watch.violations(TRUNKS, self.since) == []
        assert [holders for _, holders in self.watch.seen if len(holders) > 1] == []


@pytest.fixture(scope="module")
def pair(worlds: Worlds) -> Iterator[Pair]:
    world = worlds("16", "22", sshd=True, named=True, expiry_s=20, trunks=TRUNKS, extra=DELEGATION)
    introduce(world)
    become(world.dallas, "standby")
    become(world.boston, "primary")
    assert answered(world.boston, "promote").returncode == 5
    with RightsWatch(world) as watch:
        yield Pair(world, watch)


def open_runs(machine: Machine) -> list[int]:
    """Numbers of the runs that are not complete; a file without a line in it is none."""
    return [one["run"] for one in runs(machine) if one.get("open")]


def lines_and_acts(stride: int) -> tuple[tuple[Kind, int], ...]:
    """Each line, before and after; of the acts between them every `stride`th."""
    return (("before", 1), ("after", 1), ("act", stride))


def points(kind: Kind, numbers: Sequence[int]) -> list[Point]:
    return [Point(kind, number) for number in numbers]


def switch_over(pair: Pair, point: Point) -> bool:
    """Kills a switchover to whoever is standby, types it again, and looks; False when nothing was left to kill."""
    boston, dallas = pair.world.boston, pair.world.dallas
    to = dallas if role_on_disk(boston) == "primary" else boston
    try:
        was_killed = killed(to, ["switchover"], point)
    except GaveUp as gave_up:
        if gave_up.code != Exit.REFUSED:
            raise
        # It leaves this machine standby and nothing open; the same command is all that it takes.
        was_killed = True
    if was_killed:
        done = failover(to, "switchover")
        assert done.returncode == 5, done.stdout + done.stderr
    pair.serves(to)
    return was_killed


def promote(pair: Pair, point: Point) -> bool:
    """The same with a promotion of dallas, whose peer is dead."""
    dallas = pair.world.dallas
    was_killed = killed(dallas, PROMOTES, point)
    if was_killed:
        done = failover(dallas, *PROMOTES)
        assert done.returncode == 5, done.stdout + done.stderr
    pair.serves(dallas)
    return was_killed


def demote(pair: Pair, point: Point) -> bool:
    """The same with a demotion of dallas; it is what makes the next promotion one."""
    dallas = pair.world.dallas
    was_killed = killed(dallas, ["demote"], point)
    if was_killed:
        done = failover(dallas, "demote")
        assert done.returncode == 0, done.stdout + done.stderr
    pair.rests(dallas)
    return was_killed


def power_off_boston(pair: Pair) -> None:
    """Dallas is left, as standby, with a peer that is dead."""
    if pair.world.boston.on:
        if role_on_disk(pair.world.dallas) != "primary":
            assert answered(pair.world.dallas, "switchover").returncode == 5
        pair.world.boston.power_off()
    assert failover(pair.world.dallas, "demote").returncode == 0


SAMPLE_SWITCHOVER = [Point("after", 2), Point("act", 60), Point("after", 6), Point("act", 110)]
SAMPLE_DEAD = [
    (Point("after", 1), Point("act", 2)),
    (Point("act", 60), Point("act", 20)),
    (Point("after", 8), Point("before", 1)),
    (Point("act", 100), Point("after", 2)),
]


def test_a_switchover_killed_at_some_points(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    done = [switch_over(pair, point) for point in SAMPLE_SWITCHOVER]
    assert all(done)
    with capsys.disabled():
        print(f"\n  switchover: killed at {len(done)} points of a sample, right each time")


def test_promotions_and_demotions_killed_at_some_points(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    power_off_boston(pair)
    done = [(promote(pair, first), demote(pair, second)) for first, second in SAMPLE_DEAD]
    assert all(first and second for first, second in done)
    with capsys.disabled():
        print(f"\n  promote and demote: killed at {len(done)} points each of a sample, right each time")


@pytest.mark.soak
def test_a_switchover_killed_at_each_line_and_between(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    if not pair.world.boston.on:
        pair.world.boston.power_on()
        pair.since = clock.boottime()
        if failover(pair.world.dallas, "is-primary").returncode:
            assert failover(pair.world.dallas, *PROMOTES).returncode == 5
    began = time.monotonic()
    counts: dict[str, int] = {}
    try:
        for kind, stride in lines_and_acts(5):
            counts[kind] = 0
            for point in points(kind, range(1, MANY, stride)):
                if not switch_over(pair, point):
                    break
                counts[kind] += 1
    finally:
        with capsys.disabled():
            print(f"\n  switchover: {told(counts)}, {time.monotonic() - began:.0f} s")
    assert counts["before"] == counts["after"] >= 15


@pytest.mark.soak
def test_promotions_and_demotions_killed_at_each_line_and_between(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    power_off_boston(pair)
    began = time.monotonic()
    kinds: dict[str, int] = {}
    back: dict[str, int] = {}
    left = iter([*points("before", range(1, 4)), *points("after", range(1, 4)), *points("act", range(1, MANY))])
    try:
        for kind, stride in lines_and_acts(4):
            for point in points(kind, range(1, MANY, stride)):
                ended = not promote(pair, point)
                if not ended:
                    kinds[kind] = kinds.get(kind, 0) + 1
                other = next(left)
                if demote(pair, other):
                    back[other.kind] = back.get(other.kind, 0) + 1
                if ended:
                    break
    finally:
        with capsys.disabled():
            print(f"\n  promote: {told(kinds)}; demote: {told(back)}, {time.monotonic() - began:.0f} s")
    assert kinds["before"] == kinds["after"] >= 15
    assert back["before"] == back["after"] == 3


def told(counts: dict[str, int]) -> str:
    lines = counts.get("before", 0)
    return f"killed {sum(counts.values())} times ({lines} lines, before and after each; {counts.get('act', 0)} between)"
