"""What callers notice of a switchover, as a carrier counts it: one attempt a second on each trunk, calls that are up,
and what is left behind in Asterisk after many."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Call, Machine, World
from tests.world.conftest import Worlds
from tests.world.failover.cutover import REPLACING, answered, set_up, violations

pytestmark = pytest.mark.world

TRUNKS = (*REPLACING, "better")
LOST_BEFORE = 193 / 30
"""Attempts that a switchover lost, of 28 around it, when everything was made ready after the other machine let go."""
TALK_S = 12.0
"""Seconds for which a call is up that was there before: longer than a switchover takes."""
SETTLED_S = 3.0
"""Seconds of attempts before and after each switchover that count."""


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, trunks=[*TRUNKS])
    set_up(made)
    return made


class Callers:
    """Somebody calls each trunk once a second."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(32)
        self._attempts: list[tuple[str, float, Future[Call]]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        number = 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            # One after the other within the second, so that each trunk is tried once in it.
            trunk = TRUNKS[number % len(TRUNKS)]
            order = ("boston", "dallas") if number % 2 else ("dallas", "boston")
            call = self._pool.submit(self._world.carrier.call, trunk, deadline_s=3.0, talk_s=0.1, order=order)
            self._attempts.append((trunk, time.monotonic(), call))
            number += 1
            due += 1.0 / len(TRUNKS)

    def end(self) -> list[tuple[str, float, Call]]:
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(wait=True)
        return [(trunk, at, call.result()) for trunk, at, call in self._attempts]


@contextmanager
def calling(world: World) -> Iterator[list[tuple[str, float, Call]]]:
    found: list[tuple[str, float, Call]] = []
    callers = Callers(world)
    time.sleep(SETTLED_S)
    try:
        yield found
        time.sleep(SETTLED_S)
    finally:
        found += callers.end()


def asterisk_of(machine: Machine) -> tuple[int, int]:
    """Open descriptors and resident memory, KiB, of its Asterisk."""
    (pid,) = machine.processes("asterisk")
    status = Path(f"/proc/{pid}/status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return len(os.listdir(f"/proc/{pid}/fd")), rss


def switched(to: Machine) -> float:
    """Seconds; the switchover must be carried out."""
    begun = time.monotonic()
    done = answered(to, "switchover", "--json")
    said = done.stdout + done.stderr
    assert done.returncode in (0, 5), said
    ends = {one["step"]: one["event"] for one in map(json.loads, done.stdout.splitlines()) if one["event"] != "began"}
    assert ends["localize"] == "verified", said
    return time.monotonic() - begun


def there_and_back(world: World, times: int) -> list[tuple[str, float, Call]]:
    """All attempts around so many switchovers. What is up before each lives on, and nobody registers without the right.

    The carrier hangs up the calls that were up, in the end, and fails where one of them is gone.
    """
    machines = (world.dallas, world.boston)
    found: list[tuple[str, float, Call]] = []
    for number in range(times):
        to, other = machines[number % 2], machines[(number + 1) % 2]
        with ThreadPoolExecutor(len(TRUNKS)) as pool:
            order = (other.name, to.name)
            up = [pool.submit(world.carrier.call, one, talk_s=TALK_S, order=order) for one in TRUNKS]
            with calling(world) as attempts:
                took = switched(to)
            assert [call.result().machine for call in up] == [other.name] * len(TRUNKS)
        found += attempts
        lost = Counter(trunk for trunk, _, call in attempts if call.machine is None)
        print(f"{number + 1}: to {to.name} in {took:.1f} s, lost {dict(lost)} of {len(attempts)}", flush=True)
    assert violations(world) == []
    return found


def lost_of(attempts: list[tuple[str, float, Call]]) -> Counter[str]:
    return Counter(trunk for trunk, _, call in attempts if call.machine is None)


def test_a_switchover_loses_no_call_by_address_and_none_that_is_up(world: World) -> None:
    attempts = there_and_back(world, 2)
    assert lost_of(attempts)["better"] == 0
    assert lost_of(attempts)["metro"] == 0  # IAX2 takes no binding back: the old one answers until the new one is there
    assert {call.machine for _, _, call in attempts} >= {"boston", "dallas"}


@pytest.mark.soak
def test_thirty_switchovers_lose_half_of_what_they_lost(world: World) -> None:
    attempts = there_and_back(world, 30)
    lost = lost_of(attempts)
    print(f"lost {lost.total()} of {len(attempts)}: {dict(lost)}", flush=True)
    assert lost["better"] == 0
    assert lost.total() / 30 <= LOST_BEFORE / 2


def leaves_nothing_behind(world: World, times: int) -> None:
    """Without calls: chan_sip keeps the sockets of a call for 32 s after its end, which is not ours."""
    time.sleep(35)
    machines = (world.dallas, world.boston)
    for to in machines:
        switched(to)
    before = {one.name: asterisk_of(one) for one in machines}
    for number in range(times):
        switched(machines[number % 2])
    after = {one.name: asterisk_of(one) for one in machines}
    for name in before:
        print(f"{name}: {before[name]} before, {after[name]} after {times} switchovers", flush=True)
        # The console of the last command, and a login, may not have been closed yet.
        assert after[name][0] <= before[name][0] + 2
        assert after[name][1] <= before[name][1] * 1.1


@pytest.mark.soak
def test_a_hundred_switchovers_leave_no_descriptor_and_no_memory_behind(world: World) -> None:
    leaves_nothing_behind(world, 100)


def test_switchovers_leave_no_descriptor_and_no_memory_behind(world: World) -> None:
    leaves_nothing_behind(world, 2)
