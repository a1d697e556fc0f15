"""/healthz and /metrics, over HTTP on loopback, in one thread of their own: a slow reader holds nobody.

Anybody on this machine may connect. So there are few places; a request has so many seconds in all, whatever it does
meanwhile; and where all places are taken, the oldest that has not been answered gives way.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

log = logging.getLogger("agi")

MOST: Final = 16
"""Connections at a time."""
TOTAL_S: Final = 5.0
"""For one request, from its connection to the last byte of its answer."""
GRACE_S: Final = 0.2
"""How long each has before it gives way. A flood gets so many turns a second, and the calls' thread all the others."""
_LONGEST: Final = 8192
"""Bytes of a request's head."""
_BACKLOG: Final = 64

State = Callable[[], dict[str, Any]]


class HealthServer:
    """The HTTP side of the server."""

    def __init__(
        self, port: int, registry: CollectorRegistry, state: State, *, most: int = MOST, total_s: float = TOTAL_S
    ) -> None:
        """
        Args:
            port: on 127.0.0.1.
            registry: what /metrics prints.
            state: what /healthz prints; its "healthy" decides between 200 and 503.
            most: connections at a time.
            total_s: seconds for one request.

        Raises:
            OSError: the port is taken.
        """
        self._registry = registry
        self._state = state
        self._total_s = total_s
        self._most = most
        self._begun: dict[asyncio.Task[None], float] = {}
        self._socket = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._accepting = self._loop.create_task(self._accept())
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening, and lets go of whoever is there."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._accepting.cancel)
        self._thread.join(1.0)
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._accepting)
        self._loop.run_until_complete(self._let_go())
        self._loop.close()

    async def _let_go(self) -> None:
        tasks = list(self._begun)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            await self._room()
            try:
                connection, _ = await self._loop.sock_accept(self._socket)
            except OSError:
                # No descriptor is free: the callers' own door says so.
                await asyncio.sleep(GRACE_S)
                continue
            task = self._loop.create_task(self._served(connection))
            self._begun[task] = time.monotonic()
            task.add_done_callback(self._begun.pop)

    async def _room(self) -> None:
        """Waits for a place; the oldest gives way as soon as it has had its time."""
        while len(self._begun) >= self._most:
            oldest, begun = next(iter(self._begun.items()))
            await asyncio.wait([oldest], timeout=max(0.0, begun + GRACE_S - time.monotonic()))
            if not oldest.done():
                oldest.cancel()
                await asyncio.wait([oldest])

    async def _served(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._total_s):
                connection.setblocking(False)
                head = b""
                while b"\r\n\r\n" not in head and b"\n\n" not in head:
                    piece = await self._loop.sock_recv(connection, 4096)
                    head += piece
                    if not piece or len(head) > _LONGEST:
                        return
                try:
                    answer = self._answer(head.decode("latin-1"))
                except Exception:
                    log.exception("/healthz or /metrics could not be answered.")
                    return
                await self._loop.sock_sendall(connection, answer)
                connection.shutdown(socket.SHUT_WR)
                # What is still unread when a socket is closed throws away what its other side has not read yet.
                while await self._loop.sock_recv(connection, 4096):
                    pass

    def _answer(self, head: str) -> bytes:
        """The response to a request, its head included."""
        first, *lines = head.replace("\r\n", "\n").partition("\n\n")[0].split("\n")
        method, _, rest = first.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        kind = "text/plain; charset=utf-8"
        if not _is_ours(headers.get("host", "localhost")):
            # A page elsewhere may point a name of its own at this machine: only who asks by address is answered.
            status, body = "421 Misdirected Request", b"Ask by address: http://127.0.0.1/\n"
        elif method not in ("GET", "HEAD"):
            status, body = "405 Method Not Allowed", b"There is GET.\n"
        elif path == "/healthz":
            said = self._state()
            status, kind = "200 OK" if said["healthy"] else "503 Service Unavailable", "application/json"
            body = json.dumps(said).encode() + b"\n"
        elif path == "/metrics":
            # In one form, whatever is accepted: the library's choice of another believes versions that others write.
            status, kind, body = "200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry)
        else:
            status, body = "404 Not Found", b"There are /healthz and /metrics.\n"
        top = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        top += "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        return top.encode("latin-1") + (b"" if method == "HEAD" else body)


def _is_ours(host: str) -> bool:
    """Whether a Host header names this machine's loopback."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
