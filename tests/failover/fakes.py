"""A small world of steps, a clock that is told the time, and a journal that dies where a test says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from failover.errors import NotProven
from failover.journal.entry import EntryKind, JournalEntry, Json, Stamp, encode
from failover.journal.journal import Journal
from failover.journal.mask import Mask


class Killed(BaseException):
    """The process ended here: not an Exception, so that nothing in the code under test can catch it."""


class Where(Enum):
    """Where at a journal line the process dies."""

    BEFORE = "before the line"
    TORN = "in the middle of the line"
    AFTER = "after the line"


@dataclass
class Clock:
    """Time as the test tells it; a little passes at each look."""

    now: float = 1000.0
    boot: str = "boot-1"

    def wall(self) -> str:
        return "2026-01-01T00:00:00.000+00:00"

    def boottime(self) -> float:
        self.now += 0.01
        return self.now

    def boot_id(self) -> str:
        return self.boot


class Dying(Journal):
    """A journal whose process dies at its nth line."""

    die_at: int = 0
    where: Where = Where.BEFORE
    written: int = 0

    def append(
        self, kind: EntryKind, step: str = "", words: str = "", data: Mapping[str, Json] | None = None
    ) -> JournalEntry:
        self.written += 1
        if self.written == self.die_at and self.where is not Where.AFTER:
            if self.where is Where.TORN:
                stamp = Stamp("", 0.0, "", self.machine, self.epoch)
                line, _ = encode(JournalEntry(self._next, kind, step, words, stamp, data or {}), self._chain)
                os.write(self._descriptor, line[: len(line) // 2])
            raise Killed
        entry = super().append(kind, step, words, data)
        if self.written == self.die_at:
            raise Killed
        return entry


@dataclass
class World:
    """Where each thing points, and what goes wrong next."""

    points: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    die_inside: str = ""
    said: list[str] = field(default_factory=list)


@dataclass
class Move:
    """Moves one thing to dallas, in two halves."""

    name: str
    world: World
    deadline_s: float = 5.0

    def check(self) -> bool:
        return self.world.points[self.name] == "dallas"

    def saved(self) -> Mapping[str, Json]:
        return {"was": self.world.points[self.name]}

    def apply(self) -> None:
        self.world.said.append(f"apply {self.name}")
        self.world.points[self.name] = "on the way"
        if self.world.die_inside == self.name:
            raise Killed
        self.world.points[self.name] = "dallas"

    def verify(self) -> str:
        if self.name in self.world.broken:
            raise NotProven(f"{self.name} does not answer")
        return f"{self.name} points to {self.world.points[self.name]}"

    def undo(self, saved: Mapping[str, Json]) -> str:
        self.world.said.append(f"undo {self.name}")
        if self.name in self.world.stuck:
            raise NotProven(f"{self.name} cannot be taken back")
        self.world.points[self.name] = str(saved["was"])
        return f"{self.name} points to {self.world.points[self.name]} again"


def dying(plain: Journal, die_at: int, where: Where) -> Dying:
    """The same journal, but it dies."""
    plain.__class__ = Dying
    assert isinstance(plain, Dying)
    plain.die_at, plain.where = die_at, where
    return plain


def masking(*secrets: str) -> Mask:
    """A mask that knows these."""
    mask = Mask()
    for secret in secrets:
        mask.hide(secret)
    return mask
