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
"""How long a client may hold a connection without having asked for anything."""
STALLED_MS: Final = 30_000
"""The kernel ends a connection whose client has taken nothing for so long."""
BACKLOG: Final = 64


class CannotListen(HotstandbyError):
    """The address or the port is not to be had."""


class Impatient(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with an end for clients that connect and ask for nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._patience = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._lose_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._patience.cancel()
        super().connection_lost(exc)

    def _lose_patience(self) -> None:
        if self.cycle is None:
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn without hands on the process: signals are the daemon's, and so is the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes none."""
        yield


def server(app: ASGIApp, *, most: int = MOST_CONNECTIONS) -> Server:
    """A server for `app`, to be run with `serve(sockets=[…])` and ended with `should_exit = True`."""
    options: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "lifespan": "off",
        "ws": "none",
        "http": Impatient,
        "limit_concurrency": most,
        "backlog": BACKLOG,
        "timeout_keep_alive": 15,
        "timeout_graceful_shutdown": 1,
        "h11_max_incomplete_event_size": 16 * 1024,
    }
    return Server(uvicorn.Config(app, **options))


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
)


class _Expected(logging.Filter):
    """Drops what uvicorn says and nobody can use: that a stalled listener's answer stays unfinished, which we mean, and
    that somebody, it does not say who, sent what is no HTTP, which every port scanner does."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not text.startswith(EXPECTED)


def quieten() -> None:
    """Makes uvicorn tell the log what an admin can use, and nothing else."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_Expected())
