"""The contract between a step and the runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from failover.journal.entry import Json


class Step(Protocol):
    """One thing that a promotion does. Doing it twice is doing it once.

    The runner calls `check`; when that is false `saved`, a journal line, `apply`; then always `verify`. Each verb
    ends by itself within `deadline_s`: Python cannot interrupt another's work without leaving it half done, so every
    edge that a step uses has its own deadline, and the runner names the step that was late.
    """

    @property
    def name(self) -> str:
        """One word, for the journal, hooks and people."""
        ...

    @property
    def deadline_s(self) -> float:
        """Seconds for apply and verify together."""
        ...

    def check(self) -> bool:
        """Whether it is already so: then apply is skipped. Changes nothing."""
        ...

    def saved(self) -> Mapping[str, Json]:
        """What undo will need, as it is now. Changes nothing; holds no secret."""
        ...

    def apply(self) -> None:
        """Makes it so. Returns before it is proven. Safe to call again after a kill at any instruction."""
        ...

    def verify(self) -> str:
        """The proof, in one sentence for the journal, seen from outside.

        Raises:
            NotProven: by the deadline.
            LeftOpen: it waits for a person or is retried, and the others go on.
        """
        ...

    def undo(self, saved: Mapping[str, Json]) -> str:
        """Puts back what apply changed, from what the journal recorded; says what it saw afterwards."""
        ...


class OnFailure(Enum):
    """What a step's failure means for the run."""

    UNDO = "undo"
    """Take back what was done: nothing depends on this machine yet, or the peer provably serves."""
    STOP = "stop"
    """Stop with the journal open: the same command goes on."""
    GO_ON = "go on"
    """Somebody must answer: the others are done, and the run ends degraded."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A step in its place."""

    step: Step
    on_failure: OnFailure
