"""Which changes are worth telling somebody, and when.

Rules only: no socket, no clock. A change is told once it has held for a while; what goes back to what was told last is
told to nobody, and what changes again meanwhile is told as one change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ami_watcher.event import EventKind, LinkState, WatcherEvent
from ami_watcher.registrations.state_words import RegistrationState

TOLD: Final = frozenset({EventKind.REGISTRATION, EventKind.LINK, EventKind.ROLE})
"""Kinds that hooks are told of. Phones come and go all day: whoever wants to know follows /api/events."""
PASSING: Final = frozenset({RegistrationState.UNKNOWN, LinkState.CONNECTING, LinkState.LOGGED_IN})
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
        self._waiting: dict[tuple[EventKind, str], tuple[WatcherEvent, float]] = {}
        self._told: dict[tuple[EventKind, str], str | None] = {}
        for event in told:
            if event.kind in TOLD and event.after not in PASSING:
                self._told[(event.kind, event.subject)] = event.after

    def offer(self, event: WatcherEvent, now: float) -> None:
        """Takes a change that happened at `now` (seconds on any one clock)."""
        if event.kind not in TOLD:
            return
        key = (event.kind, event.subject)
        before = self._told.get(key)
        if event.after in PASSING or (key in self._told and before == event.after):
            self._waiting.pop(key, None)
            return
        if len(self._told) < MOST or key in self._told:
            self._waiting[key] = (replace(event, before=before), now + self.settle_s)

    def due(self, now: float) -> list[WatcherEvent]:
        """The changes that have held long enough, each once."""
        ripe = [key for key, (_, at) in self._waiting.items() if at <= now]
        events = [self._waiting.pop(key)[0] for key in ripe]
        for key, event in zip(ripe, events, strict=True):
            self._told[key] = event.after
        return events
