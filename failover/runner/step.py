"""The contract between a step and the runner."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Generic, Protocol, TypeVar

from failover.journal.entry import Json
from host.errors import HotstandbyError


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
            Incomplete: it waits for a person or is retried, and the others go on.
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
class PlannedStep:
    """A step in its place.

    Attributes:
        step: what is done.
        on_failure: what its failure means.
        beside: it waits for none of its neighbours that have this as well, and none of them for it.
    """

    step: Step
    on_failure: OnFailure
    beside: bool = False


def turns(planned: Sequence[PlannedStep]) -> Iterator[tuple[int, tuple[PlannedStep, ...]]]:
    """What is done one after the other, each with the position of its first step, from 1."""
    position = 1
    for beside, entries in groupby(planned, key=lambda entry: entry.beside):
        found = tuple(entries)
        for group in (found,) if beside else ((entry,) for entry in found):
            yield position, group
            position += len(group)


Made = TypeVar("Made", bound=Step)


class DeferredStep(Generic[Made]):
    """A step that is made when its turn comes, so that what it lacks, a secret or a preset, is its own failure."""

    def __init__(self, name: str, make: Callable[[], Made]) -> None:
        """
        Args:
            name: of the step, known before it is made.
            make: makes it; what it raises is what the step failed of.
        """
        self.name = name
        self._make = make
        self._made: Made | None = None

    def made(self) -> Made:
        """The step itself.

        Raises:
            whatever making it raises
        """
        if self._made is None:
            self._made = self._make()
        return self._made

    def early(self) -> Made | None:
        """The step before its turn, for what it can begin in the background; None where it cannot be made yet."""
        with contextlib.suppress(HotstandbyError, OSError):
            return self.made()
        return None

    @property
    def deadline_s(self) -> float:
        """As the step's."""
        return self.made().deadline_s

    def check(self) -> bool:
        """As the step's."""
        return self.made().check()

    def saved(self) -> Mapping[str, Json]:
        """As the step's."""
        return self.made().saved()

    def apply(self) -> None:
        """As the step's."""
        self.made().apply()

    def verify(self) -> str:
        """As the step's."""
        return self.made().verify()

    def undo(self, saved: Mapping[str, Json]) -> str:
        """As the step's."""
        return self.made().undo(saved)
