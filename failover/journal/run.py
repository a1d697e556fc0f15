"""A run as its journal tells it: one value, folded from the lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path

from failover.journal.entry import EntryKind, JournalEntry, Json, RunOutcome, Stamp
from failover.journal.journal import RunFile, contents, decode_lines, files


class StepState(Enum):
    """How far a step came."""

    BEGUN = "begun"
    DONE = "done"
    VERIFIED = "verified"
    OPEN = "open"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    CONFIRMED = "confirmed"


_AFTER = {
    EntryKind.BEGUN: StepState.BEGUN,
    EntryKind.DONE: StepState.DONE,
    EntryKind.VERIFIED: StepState.VERIFIED,
    EntryKind.OPEN: StepState.OPEN,
    EntryKind.FAILED: StepState.FAILED,
    EntryKind.UNDOING: StepState.UNDOING,
    EntryKind.UNDONE: StepState.UNDONE,
    EntryKind.CONFIRMED: StepState.CONFIRMED,
}


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step, as the journal tells it.

    Attributes:
        name: of the step.
        progress: the last that was written.
        touched: it may have changed something that was not taken back.
        saved: what undo needs, as it was before the step touched anything for the first time.
        words: the last evidence or reason.
        first, last: its first and last line's stamp.
    """

    name: str
    progress: StepState
    touched: bool
    saved: Mapping[str, Json]
    words: str
    first: Stamp
    last: Stamp


@dataclass(frozen=True, slots=True)
class Run:
    """One promotion, demotion or switchover.

    Attributes:
        number, command: which.
        facts: what it was opened with: peer, pair digest, generation, reason, forced risks.
        opened, last: stamps of its first and its last line.
        steps: in the order in which they were first told.
        undoing: taking back has begun; a run never turns round again.
        outcome: how it ended; None while it is open.
        closing: the same in words, as written; empty while it is open.
        torn: bytes of a last line that a crash cut short.
        entries: every line.
    """

    number: int
    command: str
    facts: Mapping[str, Json]
    opened: Stamp
    last: Stamp
    steps: tuple[StepRecord, ...] = ()
    undoing: bool = False
    outcome: RunOutcome | None = None
    closing: str = ""
    torn: int = 0
    entries: tuple[JournalEntry, ...] = field(default=(), repr=False)

    @property
    def closed(self) -> bool:
        """Whether it is over, and nothing of it is to be continued."""
        return self.outcome is not None

    @property
    def epoch(self) -> int:
        """Number of the promotion."""
        return self.opened.epoch

    @property
    def machine(self) -> str:
        """Where it runs."""
        return self.opened.machine

    @property
    def touched(self) -> tuple[StepRecord, ...]:
        """Steps with something to take back, last begun first."""
        return tuple(reversed([step for step in self.steps if step.touched]))

    @property
    def waiting(self) -> tuple[StepRecord, ...]:
        """Steps that wait for a person or a retry."""
        return tuple(step for step in self.steps if step.progress is StepState.OPEN)

    def step(self, name: str) -> StepRecord | None:
        """What is told of one step."""
        return next((step for step in self.steps if step.name == name), None)


def fold(number: int, command: str, entries: Sequence[JournalEntry], torn: int = 0) -> Run | None:
    """The run that these lines tell; None when not even its first line was written: then nothing was touched."""
    if not entries:
        return None
    first = entries[0]
    run = Run(number, command, first.data, first.stamp, first.stamp, torn=torn, entries=tuple(entries))
    steps: dict[str, StepRecord] = {}
    for entry in entries:
        run = replace(
            run,
            last=entry.stamp,
            undoing=run.undoing or entry.kind is EntryKind.UNDOING,
        )
        if entry.kind is EntryKind.CLOSED:
            run = replace(run, outcome=RunOutcome.of(entry.words), closing=entry.words or RunOutcome.OTHER.value)
        if entry.step and entry.kind in _AFTER:
            steps[entry.step] = _told(steps.get(entry.step), entry)
    return replace(run, steps=tuple(steps.values()))


def load(file: RunFile) -> Run | None:
    """The run kept in a file; None when it was created and nothing was written.

    Raises:
        JournalDamaged
    """
    return _run_of(file, contents(file))


@lru_cache(maxsize=64)
def _run_of(file: RunFile, data: bytes) -> Run | None:
    """Kept by what the file holds: one command asks several times for the same last runs."""
    lines = decode_lines(file, data)
    return fold(file.number, file.command, lines.entries, lines.torn)


def runs_newest_first(directory: Path) -> Iterator[tuple[RunFile, Run]]:
    """The runs of a directory that were more than an empty file, each with its file.

    Raises:
        JournalDamaged
    """
    for file in reversed(files(directory)):
        run = load(file)
        if run is not None:
            yield file, run


def _told(before: StepRecord | None, entry: JournalEntry) -> StepRecord:
    if before is None:
        before = StepRecord(entry.step, _AFTER[entry.kind], False, {}, entry.words, entry.stamp, entry.stamp)
    touched, saved = before.touched, before.saved
    if entry.kind is EntryKind.BEGUN and not touched:
        # Begun again after a crash: what was saved first is what was there before us.
        touched, saved = True, entry.data
    elif entry.kind is EntryKind.UNDONE:
        touched, saved = False, {}
    return StepRecord(
        entry.step, _AFTER[entry.kind], touched, saved, entry.words or before.words, before.first, entry.stamp
    )
