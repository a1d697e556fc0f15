"""A Domino web server that is none: the formats, logins and sites of the real one, and every way in which it fails.

    with Domino.serving(data) as domino:
        domino.trouble = Trouble(login_page=True)

As a process, for the world and the demo:

    python -m lab.domino --bind 192.0.2.21:80 --site boston --data phones.json

It is then told its troubles by POST /.control with a JSON object of Trouble's fields; `{}` ends them.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from lab.domino import pages
from lab.domino.content import (
    HTML,
    JSON,
    Content,
    Data,
    Request,
    Response,
)

__all__ = ["Domino", "Trouble"]

PER_CONNECTION: Final = 5
"""Requests that Domino answers on one connection."""
CONTROL: Final = ".control"
"""Path by which a process is told its troubles."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, with every request unless `times` says otherwise; all times in seconds.

    Attributes:
        headers_after_s: nothing is said for so long.
        headers_drip_s, body_drip_s: between one byte and the next.
        stop_after, cut_after, reset_after: bytes of the body, after which it says no more, closes, or resets.
        login_page: the page with status 200, whatever was asked.
        error_page: an error's page with status 200.
        status: this one, with an error's page.
        redirect: 302 to there.
        charset: what Content-Type claims; the body stays UTF-8.
        body: instead of the genuine one; content_type stays.
        unframed: neither length nor chunks: the end of the connection ends the body.
        chunked: the body comes in chunks of seven bytes.
        drop_reused: a connection that served already is closed when its next request arrives.
        times: so many requests, then all is well again.
    """

    headers_after_s: float = 0
    headers_drip_s: float = 0
    body_drip_s: float = 0
    stop_after: int | None = None
    cut_after: int | None = None
    reset_after: int | None = None
    login_page: bool = False
    error_page: bool = False
    status: int | None = None
    redirect: str | None = None
    charset: str | None = None
    body: str | None = None
    unframed: bool = False
    chunked: bool = False
    drop_reused: bool = False
    times: int | None = None


class Domino:
    """The server: a thread for each connection.

    Attributes:
        content: what it serves; its data may be changed at any time.
        trouble: what goes wrong; may be changed at any time.
        requests: those that came.
        port: where it listens.
    """

    def __init__(
        self, data: Data, address: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.content = Content(data)
        self.trouble = Trouble()
        self.requests: list[Request] = []
        self._tls = tls
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._connections = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family)
        self.port: int = self._listener.getsockname()[1]

    @classmethod
    @contextmanager
    def serving(
        cls, data: Data, address: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> Iterator[Domino]:
        """A fake, by default on a free port of loopback, gone at the end."""
        domino = cls(data, address, port, tls=tls)
        threading.Thread(target=domino.run, name="domino", daemon=True).start()
        try:
            yield domino
        finally:
            domino.stop()

    def run(self) -> None:
        """Serves until `stop`."""
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections += 1
                self._open.add(connection)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                number = self._connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def stop(self) -> None:
        """Closes every socket."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def expire_sessions(self) -> None:
        """Every session has ended: what follows gets the login page."""
        self.content.sessions.clear()

    def asked(self, command: str) -> list[Request]:
        """The requests with that command, such as "readviewentries"."""
        return [request for request in self.requests if request.command == command.lower()]

    # One connection.

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                connection.settimeout(10)
                connection = self._tls.wrap_socket(connection, server_side=True)  # the plain one is detached
                connection.settimeout(None)
                with self._lock:
                    self._open.add(connection)
            with connection, connection.makefile("rb") as reader:
                for served in range(1, PER_CONNECTION + 1):
                    request = _read(reader, number)
                    if request is None:
                        return
                    trouble = self._trouble_now(request)
                    if trouble.drop_reused and served > 1:
                        return
                    if request.path != CONTROL:
                        self.requests.append(request)
                    response = self._troubled(request, trouble, connection.getsockname()[0])
                    wants_close = request.headers.get("connection", "").lower() == "close"
                    closing = served == PER_CONNECTION or response.status >= 400 or wants_close or trouble.unframed
                    if not self._send(connection, response, trouble, closing=closing) or closing:
                        return
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _trouble_now(self, request: Request) -> Trouble:
        with self._lock:
            trouble = self.trouble
            if request.path == CONTROL:
                return Trouble()
            if trouble.times is not None:
                left = trouble.times - 1
                self.trouble = replace(trouble, times=left) if left > 0 else Trouble()
            return trouble

    def _troubled(self, request: Request, trouble: Trouble, address: str) -> Response:
        if trouble.status is not None:
            return Response(trouble.status, HTML, pages.error_page(trouble.status, "Illegal Arguments Exception"))
        if trouble.error_page:
            return Response(200, HTML, pages.error_page(404, "Couldn't find design note - lookup"))
        if trouble.login_page:
            return Response(200, HTML, pages.login_page())
        if trouble.redirect is not None:
            return Response(302, HTML, "", (("Location", trouble.redirect),))
        response = self._control(request) if request.path == CONTROL else self.content.answer(request, address)
        if trouble.body is not None:
            response = replace(response, body=trouble.body)
        if trouble.charset is not None:
            kind = response.content_type.partition(";")[0]
            response = replace(response, content_type=f"{kind}; charset={trouble.charset}")
        return response

    def _send(self, connection: socket.socket, response: Response, trouble: Trouble, *, closing: bool) -> bool:
        """Sends it; False when the connection is no use any more."""
        body = response.body.encode("utf-8", "surrogatepass")
        lines = [f"HTTP/1.1 {response.status} {'OK' if response.status == 200 else 'Status'}", "Server: Lotus-Domino"]
        lines += [f"Content-Type: {response.content_type}", *(f"{name}: {value}" for name, value in response.headers)]
        if trouble.chunked:
            lines.append("Transfer-Encoding: chunked")
            pieces = (body[at : at + 7] for at in range(0, len(body), 7))
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        elif not trouble.unframed:
            lines.append(f"Content-Length: {len(body)}")
        if closing:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._stopping.wait(trouble.headers_after_s)
        self._drip(connection, head, trouble.headers_drip_s)
        limits = [limit for limit in (trouble.stop_after, trouble.cut_after, trouble.reset_after) if limit is not None]
        self._drip(connection, body[: min(limits)] if limits else body, trouble.body_drip_s)
        if trouble.stop_after is not None:
            self._stopping.wait(60)
        if trouble.reset_after is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return not limits

    def _drip(self, connection: socket.socket, data: bytes, pause_s: float) -> None:
        if not pause_s:
            connection.sendall(data)
            return
        for byte in data:
            connection.sendall(bytes([byte]))
            if self._stopping.wait(pause_s):
                return

    def _control(self, request: Request) -> Response:
        if request.method == "POST":
            given: dict[str, Any] = json.loads(request.body or b"{}")
            if given.pop("expire_sessions", False):
                self.expire_sessions()
            self.trouble = Trouble(**given)
        state = {"trouble": asdict(self.trouble), "requests": len(self.requests), "logins": self.content.logins}
        return Response(200, JSON, json.dumps(state))


def _read(reader: Any, connection: int) -> Request | None:
    """The next request; None at the end of the connection."""
    method, _, rest = reader.readline(65536).decode("latin-1").strip().partition(" ")
    if not rest:
        return None
    headers: dict[str, str] = {}
    while line := reader.readline(65536).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Request(method, rest.rpartition(" ")[0], headers, body, connection)
