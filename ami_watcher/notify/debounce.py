"""Which changes are worth telling somebody, and when.

Rules only: no socket, no clock. A change is told once it has held for a while; what goes back to what was told last is
told to nobody, and what changes again meanwhile is told as one change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ami_watcher.event import WatcherEvent

TOLD: Final = frozenset({"registration", "link", "role"})
"""Kinds that hooks are told of. Phones come and go all day: whoever wants to know follows /api/events."""
ON_THE_WAY: Final = frozenset({"unknown", "connecting", "logged in"})
"""States that are told to nobody: a lost link is told once, and not again for each trunk that is unknown by it."""
MOST: Final = 10_000
"""Subjects that are followed; a pair.toml names far fewer trunks."""


class Debounce:
    """Changes that wait until they have held for `settle_s` seconds."""

    def __init__(self, settle_s: float, told: Iterable[WatcherEvent] = ()) -> None:
        """
        Args:
            settle_s: seconds.
            told: what an earlier run knew, in order of time, so that a restart is no news.
        """
        self.settle_s = settle_s
        self._waiting: dict[tuple[str, str], tuple[WatcherEvent, float]] = {}
        self._told: dict[tuple[str, str], str | None] = {}
        for entry in told:
            if entry.kind in TOLD and entry.after not in ON_THE_WAY:
                self._told[(entry.kind, entry.subject)] = entry.after

    def offer(self, entry: WatcherEvent, now: float) -> None:
        """Takes a change that happened at `now` (seconds on any one clock)."""
        if entry.kind not in TOLD:
            return
        key = (entry.kind, entry.subject)
        before = self._told.get(key)
        if entry.after in ON_THE_WAY or (key in self._told and before == entry.after):
            self._waiting.pop(key, None)
            return
        if len(self._told) < MOST or key in self._told:
            self._waiting[key] = (replace(entry, before=before), now + self.settle_s)

    def due(self, now: float) -> list[WatcherEvent]:
        """The changes that have held long enough, each once."""
        ripe = [key for key, (_, at) in self._waiting.items() if at <= now]
        entries = [self._waiting.pop(key)[0] for key in ripe]
        for key, entry in zip(ripe, entries, strict=True):
            self._told[key] = entry.after
        return entries
