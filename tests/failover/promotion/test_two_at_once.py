"""Both machines are promoted at once: while one is at any line of its journal, the other is promoted whole.

At the end one serves, and never have two registered. Each rule that this rests on is taken out in turn, and then it
is not so any more: so the test can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from failover.journal.entry import EntryKind, JournalEntry, Json
from failover.journal.journal import Journal
from failover.state import claim
from tests.fakes.two_machines import Machine, TwoMachines

LEAST_LINES = 12


@contextmanager
def meanwhile(machine: Machine, line: int, what: Callable[[], object]) -> Iterator[list[int]]:
    """After the nth line of a run on `machine` something else happens, whole; the lines that it came to."""
    real = Journal._append
    written: list[int] = []

    def append(self: Journal, kind: EntryKind, step: str, words: str, data: Mapping[str, Json]) -> JournalEntry:
        entry = real(self, kind, step, words, data)
        if self.machine == machine.name:
            written.append(len(written) + 1)
            if len(written) == line:
                what()
        return entry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "_append", append)
        yield written


def standby(machines: TwoMachines) -> None:
    """Both are standby, and nothing is open."""
    for machine in machines.machines.values():
        machines.type(machine, "promote", "--abort")
        machines.type(machine, "demote")
        if not machine.pbx.up:
            machines.start(machine.pbx)


@dataclass
class Seen:
    """What came of it.

    Attributes:
        lines: that the first promotion wrote.
        wrong: what may never be.
    """

    lines: int
    wrong: list[str]


def at_line(machines: TwoMachines, line: int, first: Machine) -> Seen:
    """`first` is promoted, and at its nth line the other one."""
    other = machines.peer_of(first)
    standby(machines)
    machines.violations.clear()
    with meanwhile(first, line, lambda: machines.type(other, "promote")) as written:
        machines.type(first, "promote")
    wrong = [f"line {line}: {one}" for one in machines.violations]
    machines.violations.clear()
    if len(both := machines.primaries() | machines.holders()) > 1:
        wrong.append(f"line {line}: {sorted(both)} serve")
    return Seen(len(written), wrong)


@pytest.mark.parametrize("first", ["boston", "dallas"])
def test_of_two_promotions_at_once_one_serves(machines: TwoMachines, first: str) -> None:
    line = longest = 0
    while line <= longest:
        line += 1
        seen = at_line(machines, line, machines.machines[first])
        assert seen.wrong == []
        assert machines.primaries() or machines.holders() == set()
        longest = max(longest, min(seen.lines, 20))
    assert longest >= LEAST_LINES


def take_no_notice_of_having_given_way(patch: pytest.MonkeyPatch) -> None:
    """A run goes on, and takes the right, though this machine gave way to a later promotion meanwhile."""
    patch.setattr("failover.promotion.promote.claim", SimpleNamespace(LOCK=claim.LOCK, promised_epoch=lambda _: 0))
    patch.setattr("failover.state.right._still_ours", lambda *_: None)


def tell_nobody_of_a_promotion_that_runs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("failover.state.claim.claimed_epoch", lambda _: 0)


@pytest.mark.parametrize("taken_out", [take_no_notice_of_having_given_way, tell_nobody_of_a_promotion_that_runs])
def test_without_the_rule_two_serve(
    machines: TwoMachines, monkeypatch: pytest.MonkeyPatch, taken_out: Callable[[pytest.MonkeyPatch], None]
) -> None:
    taken_out(monkeypatch)
    places = ((first, line) for line in range(3, LEAST_LINES) for first in machines.machines.values())
    assert any(at_line(machines, line, first).wrong for first, line in places)
