"""A run as its journal tells it: one value, folded from the lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from failover.journal.entry import Entry, Json, Kind, Stamp
from failover.journal.journal import RunFile, read


class Progress(Enum):
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
    Kind.BEGUN: Progress.BEGUN,
    Kind.DONE: Progress.DONE,
    Kind.VERIFIED: Progress.VERIFIED,
    Kind.OPEN: Progress.OPEN,
    Kind.FAILED: Progress.FAILED,
    Kind.UNDOING: Progress.UNDOING,
    Kind.UNDONE: Progress.UNDONE,
    Kind.CONFIRMED: Progress.CONFIRMED,
}


@dataclass(frozen=True, slots=True)
class StepTold:
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
    progress: Progress
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
        closed: how it ended, or empty while it is open.
        torn: bytes of a last line that a crash cut short.
        entries: every line.
    """

    number: int
    command: str
    facts: Mapping[str, Json]
    opened: Stamp
    last: Stamp
    steps: tuple[StepTold, ...] = ()
    undoing: bool = False
    closed: str = ""
    torn: int = 0
    entries: tuple[Entry, ...] = field(default=(), repr=False)

    @property
    def epoch(self) -> int:
        """Number of the promotion."""
        return self.opened.epoch

    @property
    def machine(self) -> str:
        """Where it runs."""
        return self.opened.machine

    @property
    def touched(self) -> tuple[StepTold, ...]:
        """Steps with something to take back, last begun first."""
        return tuple(reversed([step for step in self.steps if step.touched]))

    @property
    def waiting(self) -> tuple[StepTold, ...]:
        """Steps that wait for a person or a retry."""
        return tuple(step for step in self.steps if step.progress is Progress.OPEN)

    def step(self, name: str) -> StepTold | None:
        """What is told of one step."""
        return next((step for step in self.steps if step.name == name), None)


def fold(number: int, command: str, entries: Sequence[Entry], torn: int = 0) -> Run | None:
    """The run that these lines tell; None when not even its first line was written: then nothing was touched."""
    if not entries:
        return None
    first = entries[0]
    run = Run(number, command, first.data, first.stamp, first.stamp, torn=torn, entries=tuple(entries))
    steps: dict[str, StepTold] = {}
    for entry in entries:
        run = replace(
            run,
            last=entry.stamp,
            undoing=run.undoing or entry.kind is Kind.UNDOING,
            closed=(entry.words or "closed") if entry.kind is Kind.CLOSED else run.closed,
        )
        if entry.step and entry.kind in _AFTER:
            steps[entry.step] = _told(steps.get(entry.step), entry)
    return replace(run, steps=tuple(steps.values()))


def load(file: RunFile) -> Run | None:
    """The run kept in a file; None when it was created and nothing was written.

    Raises:
        JournalDamaged
    """
    lines = read(file)
    return fold(file.number, file.command, lines.entries, lines.torn)


def _told(before: StepTold | None, entry: Entry) -> StepTold:
    if before is None:
        before = StepTold(entry.step, _AFTER[entry.kind], False, {}, entry.words, entry.stamp, entry.stamp)
    touched, saved = before.touched, before.saved
    if entry.kind is Kind.BEGUN and not touched:
        # Begun again after a crash: what was saved first is what was there before us.
        touched, saved = True, entry.data
    elif entry.kind is Kind.UNDONE:
        touched, saved = False, {}
    return StepTold(
        entry.step, _AFTER[entry.kind], touched, saved, entry.words or before.words, before.first, entry.stamp
    )
