"""Which changes are worth telling somebody, and when.

Rules only: no socket, no clock. A change is told once it has held for a while; what goes back to what was told last is
told to nobody, and what changes again meanwhile is told as one change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ami_watcher.history import Entry

TOLD: Final = frozenset({"registration", "link", "role"})
"""Kinds that hooks are told of. Phones come and go all day: whoever wants to know follows /api/events."""
MOST: Final = 4_096
"""Subjects that may be waiting; pair.toml names far fewer trunks, and what exceeds this is not told."""


class Settling:
    """Changes that wait until they have held for `settle_s` seconds."""

    def __init__(self, settle_s: float) -> None:
        """
        Args:
            settle_s: seconds.
        """
        self.settle_s = settle_s
        self._waiting: dict[tuple[str, str], tuple[Entry, float]] = {}

    def offer(self, entry: Entry, now: float) -> None:
        """Takes a change that happened at `now` (seconds on any one clock)."""
        if entry.kind not in TOLD:
            return
        key = (entry.kind, entry.subject)
        known = self._waiting.get(key)
        if known is not None:
            entry = replace(entry, before=known[0].before)
            if entry.before == entry.after:
                del self._waiting[key]
                return
        elif len(self._waiting) >= MOST:
            return
        self._waiting[key] = (entry, now + self.settle_s)

    def due(self, now: float) -> list[Entry]:
        """The changes that have held long enough, each once."""
        ripe = [key for key, (_, at) in self._waiting.items() if at <= now]
        return [self._waiting.pop(key)[0] for key in ripe]

    def next_due(self) -> float | None:
        """When the next one is ripe, on the clock of `offer`; None when none waits."""
        return min((at for _, at in self._waiting.values()), default=None)
