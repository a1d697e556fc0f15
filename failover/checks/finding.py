"""What a rule of the lint finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from failover.checks.facts import Facts


class Level(IntEnum):
    """How grave it is; the lower the graver."""

    ERROR = 1
    """A promotion would fail, or be unsafe."""
    WARNING = 2
    """It would work, worse than it could."""
    UNSEEN = 3
    """It could not be looked at from here; look yourself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend.

    Attributes:
        rule: its name, one word or two, for --json and for whoever silences it.
        level: how grave.
        text: what is so, where, and why it matters.
        mend: what to write or type.
    """

    rule: str
    level: Level
    text: str
    mend: str


Rule: TypeAlias = Callable[[Facts], Iterator[Finding]]
