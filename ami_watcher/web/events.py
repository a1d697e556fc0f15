"""Who listens to changes now, and what they missed.

Every listener has a bounded queue of its own. One that reads too slowly is let go: it comes again with the id of
the last event that it had, and is told what it missed, or, where that is too long ago, everything.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from host.errors import HotstandbyError

MOST_LISTENERS: Final = 32
QUEUED: Final = 256
"""Events that one listener may be behind."""
REPLAYED: Final = 1_000
"""Events that are kept for listeners who come again."""


class TooManyListeners(HotstandbyError):
    """No more can be served."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One server-sent event.

    Attributes:
        id: unique over restarts: the run, a dash, a number.
        name: "registration", "contact", "link", "role", "kick", or "snapshot".
        data: JSON, on one line.
    """

    id: str
    name: str
    data: str


def frame(event: ServerSentEvent) -> bytes:
    """The event as it goes over the wire (WHATWG HTML, 9.2.6). JSON on one line holds no line break to split at."""
    return f"id: {event.id}\nevent: {event.name}\ndata: {event.data}\n\n".encode()


class EventListener:
    """One listener's queue; see `EventHub.listen`."""

    def __init__(self, missed: tuple[ServerSentEvent, ...], *, complete: bool) -> None:
        """
        Args:
            missed: what is told first.
            complete: whether that is all that was missed; otherwise the listener needs everything anew.
        """
        self.complete = complete
        self.ended = False
        """The hub closes, or the listener was too slow."""
        self._queue: deque[ServerSentEvent] = deque(missed)
        self._wake = asyncio.Event()
        if missed:
            self._wake.set()

    def push(self, event: ServerSentEvent) -> None:
        """Adds an event; a listener that is too far behind is ended, and its queue is dropped."""
        if len(self._queue) >= QUEUED:
            self._queue.clear()
            self.end()
            return
        self._queue.append(event)
        self._wake.set()

    def end(self) -> None:
        """No more events come."""
        self.ended = True
        self._wake.set()

    async def next(self, wait_s: float) -> ServerSentEvent | None:
        """The next event, or None after `wait_s` seconds without one, or when it has ended."""
        if not self._queue and not self.ended:
            self._wake.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._queue.popleft() if self._queue else None


class EventHub:
    """Gives every event to every listener."""

    def __init__(self, run: str, *, most: int = MOST_LISTENERS, replayed: int = REPLAYED) -> None:
        """
        Args:
            run: what is different after every restart; letters and digits.
            most: listeners at a time.
            replayed: events kept.
        """
        self._run = run
        self._most = most
        self._number = 0
        self._kept: deque[ServerSentEvent] = deque(maxlen=replayed)
        self._listeners: set[EventListener] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @property
    def last_id(self) -> str:
        """The id of the newest event."""
        return f"{self._run}-{self._number}"

    def publish(self, name: str, data: Mapping[str, object]) -> None:
        """Gives an event to everybody."""
        self._number += 1
        event = ServerSentEvent(self.last_id, name, json.dumps(data))
        self._kept.append(event)
        for listener in list(self._listeners):
            listener.push(event)
            if listener.ended:
                self._listeners.discard(listener)

    def listen(self, last_id: str | None) -> EventListener:
        """A new listener.

        Args:
            last_id: the id of the last event that it had, as it says; None for somebody new.

        Raises:
            TooManyListeners
        """
        if self._closed or len(self._listeners) >= self._most:
            raise TooManyListeners(f"{len(self._listeners)} listen already, and no more are served. Try again later.")
        missed = self._since(last_id)
        listener = EventListener(missed or (), complete=missed is not None)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: EventListener) -> None:
        """The listener is gone."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Ends all listeners, and takes no new ones."""
        self._closed = True
        for listener in list(self._listeners):
            listener.end()
        self._listeners.clear()

    def _since(self, last_id: str | None) -> tuple[ServerSentEvent, ...] | None:
        """What came after `last_id`, or None where that cannot be said."""
        run, dash, digits = (last_id or "").rpartition("-")
        if not dash or run != self._run or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
            return None
        number = int(digits)
        behind = self._number - number
        if behind < 0 or behind > min(len(self._kept), QUEUED):
            return None
        return tuple(self._kept)[len(self._kept) - behind :]
