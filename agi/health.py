"""/healthz and /metrics, over HTTP on loopback, in a thread of their own: a slow reader holds nobody."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("agi")


class _Handler(WSGIRequestHandler):
    timeout = 5

    def log_message(self, *_: object) -> None:
        """Nobody wants a line for every scrape."""


class Health:
    """The HTTP side of the server."""

    def __init__(self, port: int, registry: CollectorRegistry, state: Callable[[], dict[str, Any]]) -> None:
        """
        Args:
            port: on 127.0.0.1.
            registry: what /metrics prints.
            state: what /healthz prints; its "healthy" decides between 200 and 503.

        Raises:
            OSError: the port is taken.
        """
        metrics = make_wsgi_app(registry)

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path == "/metrics":
                page: Iterable[bytes] = metrics(environ, start_response)
                return page
            if path == "/healthz":
                said = state()
                status = "200 OK" if said["healthy"] else "503 Service Unavailable"
                start_response(status, [("Content-Type", "application/json")])
                return [json.dumps(said).encode() + b"\n"]
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"There are /healthz and /metrics.\n"]

        self._server = make_server("127.0.0.1", port, app, ThreadingWSGIServer, _Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
