"""Where the API listens: one TCP socket for browsers and monitoring, one Unix socket for our own commands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from host.atomic import own_directory
from host.errors import HotstandbyError

MOST_CONNECTIONS: Final = 128
FIRST_REQUEST_S: Final = 10.0
"""How long a client may take to ask for anything, from its connection to the last byte of its request's head."""
NEXT_REQUEST_S: Final = 25.0
"""The same from one answer to the next request, which may begin within KEEP_ALIVE_S."""
ANSWER_S: Final = 30.0
"""For one request in all, from its head to the last byte that its client takes of the answer."""
KEEP_ALIVE_S: Final = 15
STALLED_MS: Final = 30_000
"""The kernel ends a connection whose client has taken nothing for so long."""
BACKLOG: Final = 64


class CannotListen(HotstandbyError):
    """The address or the port is not to be had."""


LASTING: Final = frozenset({"/api/events"})
"""Answers without an end; their clients are bounded where they are served (stream.py, events.py)."""


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with so much time in all for each request, and a place for whoever comes.

    uvicorn's own limits begin anew with every byte, and refuse newcomers where all places are taken: whoever takes them
    all and says little closes the page to everybody. Here the oldest gives way, but for those who listen to events.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._clock = asyncio.get_running_loop()
        self._patience: asyncio.TimerHandle | None = None
        self.begun = self._clock.time()
        self._hurry(FIRST_REQUEST_S)
        others = [one for one in self.connections if isinstance(one, DeadlineProtocol) and one.gives_way]
        if self.limit_concurrency is not None and len(self.connections) * 2 > self.limit_concurrency and others:
            min(others, key=lambda one: one.begun).end()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._hurry(None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Bytes have come, or an answer was complete and more of them had come before."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._hurry(None if self.lasting else ANSWER_S)

    def on_response_complete(self) -> None:
        """The next request has its own time."""
        self._hurry(NEXT_REQUEST_S)
        super().on_response_complete()

    @property
    def lasting(self) -> bool:
        """Whether it is being answered without an end."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and cycle.scope["path"] in LASTING

    @property
    def gives_way(self) -> bool:
        """Whether somebody else may have its place."""
        return not self.lasting and not self.transport.is_closing()

    def end(self) -> None:
        """Lets go of it at once."""
        self.transport.abort()

    def _hurry(self, seconds: float | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = None if seconds is None else self._clock.call_later(seconds, self.end)


class HttpServer(uvicorn.Server):
    """uvicorn without hands on the process: signals are the daemon's, and so is the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes none."""
        yield


def http_server(app: ASGIApp, *, most: int = MOST_CONNECTIONS) -> HttpServer:
    """A server for `app`, to be run with `serve(sockets=[…])` and ended with `should_exit = True`."""
    options: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "lifespan": "off",
        "ws": "none",
        "http": DeadlineProtocol,
        # As many again are on their way out.
        "limit_concurrency": 2 * most,
        "backlog": BACKLOG,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": 1,
        "h11_max_incomplete_event_size": 16 * 1024,
    }
    return HttpServer(uvicorn.Config(app, **options))


def tcp_socket(host: str, port: int) -> socket.socket:
    """A bound socket.

    Args:
        host: address.
        port: TCP port; 0 for any.

    Raises:
        CannotListen: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(
                f"Port {port} of {host} is taken by another program. See which with: ss -ltnp 'sport = :{port}' "
                "and end it, or set another port in [watcher] of pair.toml."
            ) from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise CannotListen(
                f"{host} is not an address of this machine. These are, for listen in [watcher] of pair.toml: "
                "ip -brief address"
            ) from None
        raise CannotListen(f"Cannot listen on {host} port {port}: {error.strerror}.") from None
    return made


def unix_socket(path: Path) -> socket.socket:
    """A bound Unix socket that its owner and group alone may use. The caller holds the lock: what is there is stale.

    Raises:
        CannotListen
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        own_directory(path.parent)
        path.unlink(missing_ok=True)
        before = os.umask(0o117)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise CannotListen(f"Cannot make the socket {path}: {error.strerror or error}.") from None
    return made


EXPECTED: Final = (
    "ASGI callable returned without completing",
    "Exceeded concurrency limit",
    "Invalid HTTP request received",
    "Unsupported upgrade request",
    "No supported WebSocket library",
)


class _Expected(logging.Filter):
    """Drops what uvicorn says and nobody can use: that a stalled listener's answer stays unfinished, which we mean, and
    that somebody, it does not say who, sent what is no HTTP or asks for another protocol, as every port scanner does.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not text.startswith(EXPECTED)


def quieten() -> None:
    """Makes uvicorn tell the log what an admin can use, and nothing else."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_Expected())
