"""Connections that obey one deadline from the first look at /etc/hosts to the last byte of the body.

A socket's own timeout starts anew with every byte, so a server that drips is never late by it. Here each operation
gets what is left of the whole exchange; that is kept in a context variable, because pooled connections outlive
the exchange that opened them.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_SHORTEST_S: Final = 0.001
"""A timeout of 0 would make the socket non-blocking."""


@dataclass(slots=True)
class ExchangeUnderWay:
    """One request, from its beginning to the last byte of its response.

    Attributes:
        deadline: time.monotonic() seconds.
        dialled: a connection was opened for it; otherwise it went out on an idle one, which the server may close at
            the same moment.
        sent: something of it went out; behind TLS, after the handshake.
    """

    deadline: float
    dialled: bool = False
    sent: bool = False

    def left(self) -> float:
        """Seconds until the deadline.

        Raises:
            TimeoutError: it has passed.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed")
        return max(left, _SHORTEST_S)


under_way: ContextVar[ExchangeUnderWay] = ContextVar("under_way")
"""Set by whoever sends a request, in the thread that sends it."""


class DeadlineSocket(socket.socket):
    """A TCP connection whose reads and writes end with the exchange that they belong to."""

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0, /) -> int:
        """As socket.recv_into, for what is left."""
        self.settimeout(under_way.get().left())
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """As socket.sendall, whose timeout already covers all of `data`."""
        exchange = under_way.get()
        self.settimeout(exchange.left())
        exchange.sent = True
        super().sendall(data, flags)


class DeadlineTls(ssl.SSLSocket):
    """The same through TLS; OpenSSL's reads and the handshake treat the timeout as a total."""

    def do_handshake(self, block: bool = False) -> None:
        """As SSLSocket.do_handshake, for what is left."""
        self.settimeout(under_way.get().left())
        super().do_handshake(block)

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        """As SSLSocket.recv_into, for what is left."""
        self.settimeout(under_way.get().left())
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """As SSLSocket.sendall, for what is left."""
        exchange = under_way.get()
        self.settimeout(exchange.left())
        exchange.sent = True
        super().sendall(data, flags)


Place = tuple[socket.AddressFamily, tuple[Any, ...]]
_lookups: dict[tuple[str, int], Future[list[Place]]] = {}
_lookups_lock = threading.Lock()


def resolve(host: str, port: int, timeout_s: float) -> list[Place]:
    """The system's addresses of `host`, /etc/hosts included, in its order.

    getaddrinfo cannot be interrupted. It runs in a thread of its own, one for each name however many wait, and
    whoever waits goes on when its time is over.

    Raises:
        socket.gaierror: there is no such name, or no resolver.
        TimeoutError
    """
    with _lookups_lock:
        running = _lookups.get((host, port))
        if running is None:
            running = _lookups[host, port] = Future()
            threading.Thread(target=_resolve, args=(host, port, running), name=f"resolve {host}", daemon=True).start()
    return running.result(timeout_s)


def _resolve(host: str, port: int, answer: Future[list[Place]]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer.set_result([(family, address) for family, _, _, _, address in found])
    except (OSError, UnicodeError) as error:
        answer.set_exception(error)
    finally:
        with _lookups_lock:
            del _lookups[host, port]


def dial(host: str, port: int) -> DeadlineSocket:
    """A connection to the first address of `host` that takes it; each gets an even share of the time left.

    Raises:
        OSError: none took it; the last one's reason. TimeoutError and socket.gaierror are such.
    """
    exchange = under_way.get()
    exchange.dialled = True
    try:
        places = resolve(host, port, exchange.left())
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
    last: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for position, (family, address) in enumerate(places):
        connection = DeadlineSocket(family, socket.SOCK_STREAM)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(exchange.left() / (len(places) - position))
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last


class _Dialled:
    """What both connection classes share. `_new_conn` is urllib3's own seam, the same in 1.26 and 2."""

    host: str
    port: int

    def _new_conn(self) -> socket.socket:
        try:
            # A trailing dot or brackets around IPv6 are spellings of the URL, not of the name.
            return dial(self.host.strip("[]"), self.port)
        except TimeoutError as late:
            raise urllib3.exceptions.ConnectTimeoutError(self, "the deadline passed") from late
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]


class _Connection(_Dialled, HTTPConnection):
    pass


class _TlsConnection(_Dialled, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """requests' transport on such connections.

    Args:
        connections: idle ones that are kept.
        tls: the context for https; None: plain http alone, since reading the authorities takes its time.
        tls_host_name: whom the certificate must name, be it another name than the one that is dialled.
    """

    def __init__(self, connections: int, tls: ssl.SSLContext | None = None, tls_host_name: str | None = None) -> None:
        self._tls = tls
        self._tls_host_name = tls_host_name
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """The pools, with our connections in them."""
        if self._tls is not None:
            self._tls.sslsocket_class = DeadlineTls
            kwargs["ssl_context"] = self._tls
        if self._tls_host_name is not None:
            kwargs |= {"server_hostname": self._tls_host_name, "assert_hostname": self._tls_host_name}
        super().init_poolmanager(connections, maxsize, block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
