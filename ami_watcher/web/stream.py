"""Server-sent events: one listener's response, from its first byte to its last.

An ASGI application of its own, because the bounds are what it is about: a client that does not read is let go after
SEND_S seconds, and all are let go at once when the daemon ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ami_watcher.web.events import EventHub, ServerSentEvent, TooManyListeners, frame

BEAT_S: Final = 10.0
"""Without news, something is sent so often: proxies keep the connection, and the page sees that the daemon lives."""
SEND_S: Final = 10.0
RETRY_MS: Final = 2_000
"""How long a browser waits before it comes again."""


class EventStream:
    """GET /api/events."""

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
