"""A kill at every line of the journal, before it and after it: never two register, and the same command completes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

import pytest

from failover.journal.entry import EntryKind, JournalEntry, Json
from failover.journal.journal import Journal
from host.exits import Exit
from tests.fakes.two_machines import Machine, TwoMachines

LEAST_LINES: Final = 12
"""A promotion writes more: four steps of begun, done and how it ended, between opened and closed."""
WORD: Final = ("--peer-is-down", "the rack has no power")

Where = Literal["before", "after"]


class Killed(BaseException):
    """The process ended here: no Exception, so that nothing in the code under test catches it."""


@contextmanager
def dying(machine: Machine, line: int, where: Where) -> Iterator[None]:
    """The process on `machine` ends at its nth line; the peer's journal is another one."""
    real, written = Journal._append, 0

    def mortal(self: Journal, kind: EntryKind, step: str, words: str, data: Mapping[str, Json]) -> JournalEntry:
        nonlocal written
        if self.machine != machine.name:
            return real(self, kind, step, words, data)
        written += 1
        if written == line and where == "before":
            raise Killed
        entry = real(self, kind, step, words, data)
        if written == line:
            raise Killed
        return entry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "_append", mortal)
        yield


def killed_at(machines: TwoMachines, line: int, where: Where, argv: tuple[str, ...]) -> bool:
    """Whether dallas came as far as that line, and was killed there."""
    try:
        with dying(machines.dallas, line, where):
            machines.type(machines.dallas, *argv)
    except Killed:
        return True
    return False


def boston_serves(machines: TwoMachines) -> None:
    """boston is primary and dallas standby, as before the first line."""
    if machines.boston.dead:
        machines.power_on(machines.boston)
    if machines.primaries() != {"boston"}:
        machines.type(machines.boston, "promote")
    assert machines.primaries() == machines.holders() == {"boston"}


def alive(_machines: TwoMachines) -> None:
    """The peer answers, and demotes itself when asked."""


def dead(machines: TwoMachines) -> None:
    machines.power_off(machines.boston)


@pytest.mark.parametrize(
    ("peer", "argv", "where"),
    [
        (alive, ("switchover",), "before"),
        (alive, ("switchover",), "after"),
        (dead, ("promote", *WORD), "after"),
    ],
)
def test_the_same_command_completes_what_a_kill_left(
    machines: TwoMachines, peer: Callable[[TwoMachines], None], argv: tuple[str, ...], where: Where
) -> None:
    line = 0
    while True:
        line += 1
        boston_serves(machines)
        peer(machines)
        killed = killed_at(machines, line, where, argv)
        assert machines.violations == [], (line, where)
        if not killed:
            break
        for _ in range(3):
            ended = machines.type(machines.dallas, *argv)
            assert machines.violations == [], (line, where, ended.said)
            if machines.primaries() == {"dallas"}:
                break
        assert machines.holders() == machines.primaries() == {"dallas"}, (line, where, ended.said)
        assert Exit(ended.exit) in (Exit.DONE, Exit.DEGRADED), (line, where, ended.said)
    assert line > LEAST_LINES


def test_what_a_kill_left_is_taken_back_by_abort(machines: TwoMachines) -> None:
    line = 0
    while True:
        line += 1
        boston_serves(machines)
        if not killed_at(machines, line, "before", ("switchover",)):
            break
        ended = machines.type(machines.dallas, "switchover", "--abort")
        assert machines.violations == [], (line, ended.said)
        assert "dallas" not in machines.primaries() | machines.holders() or "Nothing is open" in ended.said, (
            line,
            ended.said,
        )
    assert line > LEAST_LINES
