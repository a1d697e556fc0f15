"""A server that says what its script says, byte for byte, and waits for events alone."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum


class Act(Enum):
    """What the server does between sending and sending."""

    HANG = "says nothing more until the test has ended"
    CLOSE = "closes the connection"
    RESET = "closes it with RST"


@dataclass(frozen=True)
class Drip:
    """Sends this over and over, a byte every few milliseconds: each in time, the whole never."""

    data: bytes


Answer = tuple[bytes | Act | Drip, ...]


def response(body: bytes = b"{}", *headers: bytes, status: int = 200) -> bytes:
    """A response with its length."""
    lines = (b"HTTP/1.1 %d X" % status, *headers, b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@dataclass
class Scripted:
    """The server.

    Attributes:
        answers: one for each request, in order; the last one for all that follow.
        requests: connection number and text of each request that came.
    """

    answers: list[Answer]
    tls: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    requests: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.create_server((self.address, 0), family=family)
        self._stopping = threading.Event()
        self._connections: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    def run(self) -> None:
        """Accepts until `stop`."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                number = len(self._connections)
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def stop(self) -> None:
        """Ends everything."""
        self._stopping.set()
        for one in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            with connection:
                while (request := _request(connection)) is not None:
                    answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                    self.requests.append((number, request))
                    if not all(self._act(connection, act) for act in answer):
                        return

    def _act(self, connection: socket.socket, act: bytes | Act | Drip) -> bool:
        """Does it; False when the connection has ended."""
        if isinstance(act, bytes):
            connection.sendall(act)
            return True
        if isinstance(act, Drip):
            while not self._stopping.wait(0.002):
                for byte in act.data:
                    connection.sendall(bytes([byte]))
                    if self._stopping.wait(0.002):
                        break
        if act is Act.HANG:
            self._stopping.wait()
        if act is Act.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


def _request(connection: socket.socket) -> str | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.partition(b":")[2]):
                body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode("latin-1")


@contextmanager
def scripted(*answers: Answer, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Iterator[Scripted]:
    """A server with that script, gone at the end."""
    server = Scripted(list(answers), tls, address)
    threading.Thread(target=server.run, name="scripted", daemon=True).start()
    try:
        yield server
    finally:
        server.stop()
