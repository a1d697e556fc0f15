"""What a run tells while it goes: values, for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class ProgressKind(Enum):
    """What happened."""

    BEGAN = "began"
    VERIFIED = "verified"
    OPEN = "open"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    HOOK = "hook"
    HELD = "held"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One thing that happened.

    Attributes:
        kind: what happened.
        step: to which step; empty for the run.
        words: proof, reason or result, one sentence.
        seconds: since the step, or the run, began.
        position, total: which of how many steps, from 1; 0 of 0 for the run.
    """

    kind: ProgressKind
    step: str
    words: str
    seconds: float
    position: int = 0
    total: int = 0


ProgressListener: TypeAlias = Callable[[ProgressEvent], None]
"""Shows an event; must not raise, and must not wait."""


def made_at_first_event(make: Callable[[], ProgressListener]) -> ProgressListener:
    """What `make` makes when there is something to show: what it has to load first keeps nobody from beginning."""
    made: list[ProgressListener] = []

    def tell(event: ProgressEvent) -> None:
        if not made:
            made.append(make())
        made[0](event)

    return tell


def ignore_progress(_event: ProgressEvent) -> None:
    """Shows nothing."""
