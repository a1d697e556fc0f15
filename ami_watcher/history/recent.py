"""The last events, in memory. Rules only: no file, no clock.

It is bounded in numbers, so that a storm of phones can push out older phones but never the trunks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from ami_watcher.event import EventKind, WatcherEvent

REMEMBERED: Final = 20_000
"""Events of each kind in memory; about 5 MB in all."""


class RecentEvents:
    """The last events, trunks and links apart from phones."""

    def __init__(self, size: int = REMEMBERED) -> None:
        """
        Args:
            size: events kept of phones, and as many of everything else.
        """
        self._phones: deque[WatcherEvent] = deque(maxlen=size)
        self._others: deque[WatcherEvent] = deque(maxlen=size)
        self._last: dict[tuple[EventKind, str], WatcherEvent] = {}
        self.count = 0
        """How many events were ever added: where it is the same, so is all the rest."""

    @property
    def lasting(self) -> tuple[WatcherEvent, ...]:
        """Everything but phones, in the order in which it was told."""
        return tuple(self._others)

    def last(self, kind: EventKind, subject: str) -> WatcherEvent | None:
        """The newest event of a trunk, a link or a role; None where there is none."""
        return self._last.get((kind, subject))

    def add(self, events: Iterable[WatcherEvent]) -> None:
        """Remembers `events`, which come in order of time."""
        for event in events:
            self.count += 1
            if event.kind is EventKind.CONTACT:
                self._phones.append(event)
                continue
            self._others.append(event)
            key = (event.kind, event.subject)
            known = self._last.get(key)
            if known is None or known.at <= event.at:
                self._last[key] = event

    def recall(
        self, *, since: float = 0.0, kind: EventKind | None = None, subject: str | None = None, limit: int = 1000
    ) -> list[WatcherEvent]:
        """The newest `limit` events from `since` on, oldest first."""
        found = [
            event
            for event in (*self._others, *self._phones)
            if event.at >= since and kind in (None, event.kind) and subject in (None, event.subject)
        ]
        found.sort(key=lambda event: event.at)
        return found[-limit:] if limit > 0 else []
