"""Server-sent events: who listens to changes now, what they missed, and the response of each.

Every listener has a bounded queue of its own. One that reads too slowly is let go: it comes again with the id of
the last event that it had, and is told what it missed, or, where that is too long ago, everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from host.errors import HotstandbyError

MOST_LISTENERS: Final = 32
QUEUED: Final = 256
"""Events that one listener may be behind."""
REPLAYED: Final = 1_000
"""Events that are kept for listeners who come again."""


BEAT_S: Final = 10.0
"""Without news, something is sent so often: proxies keep the connection, and the page sees that the daemon lives."""
SEND_S: Final = 10.0
RETRY_MS: Final = 2_000
"""How long a browser waits before it comes again."""


class TooManyListeners(HotstandbyError):
    """No more can be served."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One server-sent event.

    Attributes:
        id: unique over restarts: the run, a dash, a number.
        name: a kind of event; or "contacts" (how many changed at once), "snapshot".
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


class EventStream:
    """GET /api/events: an ASGI application of its own, because its bounds are what it is about.

    A client that does not read is let go after SEND_S seconds, and all are let go at once when the daemon ends.
    """

    def __init__(
        self, hub: EventHub, snapshot: Callable[[], Awaitable[str]], *, beat_s: float = BEAT_S, send_s: float = SEND_S
    ) -> None:
        """
        Args:
            hub: where the events are.
            snapshot: everything, as JSON on one line, for whoever missed more than is kept.
            beat_s: seconds between signs of life.
            send_s: how long a client may take none of what is sent.
        """
        self._hub = hub
        self._snapshot = snapshot
        self._beat_s = beat_s
        self._send_s = send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One listener."""
        request = Request(scope, receive)
        if request.method != "GET":
            refused = JSONResponse({"error": "Only GET is answered here."}, 405, {"Allow": "GET"})
            await refused(scope, receive, send)
            return
        last_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
        try:
            listener = self._hub.listen(last_id)
        except TooManyListeners as error:
            await JSONResponse({"error": str(error)}, 503, {"Retry-After": "10"})(scope, receive, send)
            return

        async def tell(body: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(self._send_s):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        gone = asyncio.create_task(_disconnected(receive))
        gone.add_done_callback(lambda _: listener.end())
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", b"text/event-stream; charset=utf-8"),
                        (b"cache-control", b"no-store"),
                        (b"x-accel-buffering", b"no"),
                    ],
                }
            )
            await tell(f"retry: {RETRY_MS}\n\n".encode())
            if not listener.complete:
                # The id is of before: what happens while it is made may be told twice, and is never left out.
                last_id = self._hub.last_id
                await tell(frame(ServerSentEvent(last_id, "snapshot", await self._snapshot())))
            while True:
                event = await listener.next(self._beat_s)
                if event is not None:
                    await tell(frame(event))
                elif listener.ended:
                    break
                else:
                    await tell(_beat(self._hub.last_id))
            await tell(b"", more=False)
        except TimeoutError:
            # It takes nothing: the response stays unfinished, and the server closes the connection.
            pass
        finally:
            self._hub.leave(listener)
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


def _beat(last_id: str) -> bytes:
    """A sign of life that a script sees; it has no id of its own, so it moves nobody's place in the stream."""
    return f"event: beat\ndata: {json.dumps({'last_id': last_id})}\n\n".encode()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
