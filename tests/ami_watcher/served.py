"""A daemon in this process, over real sockets, with a source that does what the test says."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ami_watcher.daemon.daemon import WatcherDaemon
from pair import read
from tests.ami_watcher.fake_source import FakeSource, machine_at
from tests.ami_watcher.running import free_port

TOKEN = "open-Sesame0"


@dataclass
class Answer:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A daemon, its source, and requests to it."""

    daemon: WatcherDaemon
    source: FakeSource
    port: int

    async def get(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        """One request over TCP; an underscore in a header's name stands for a hyphen."""

        def ask() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None:
                given.setdefault("Content-Type", "application/x-www-form-urlencoded")
            try:
                connection.request(method, path, body=body, headers=given)
                response = connection.getresponse()
                return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            finally:
                connection.close()

        return await asyncio.to_thread(ask)

    @asynccontextmanager
    async def events(self, last_id: str | None = None) -> AsyncIterator[Events]:
        """A client of /api/events."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        more = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        writer.write(f"GET /api/events HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        try:
            yield Events(reader, await reader.readuntil(b"\r\n\r\n"))
        finally:
            writer.close()


@dataclass
class Events:
    """A stream of events, as they come."""

    reader: asyncio.StreamReader
    head: bytes

    async def next(self, wait_s: float = 20.0) -> dict[str, str]:
        """The next event, its fields by name."""
        async with asyncio.timeout(wait_s):
            fields: dict[str, str] = {}
            while True:
                line = (await self.reader.readline()).decode()
                assert line, "the stream ended"
                if line == "\n":
                    if "event" in fields:
                        return fields
                    fields = {}
                elif ": " in line:
                    name, _, value = line.rstrip("\n").partition(": ")
                    fields[name] = value


@asynccontextmanager
async def serving(tmp_path: Path, source: FakeSource | None = None, **settings: Any) -> AsyncIterator[Served]:
    port = free_port()
    places = machine_at(tmp_path, port=port, **settings)
    given = source or FakeSource()
    daemon = WatcherDaemon(places, read(places), "boston", given)
    running = asyncio.create_task(daemon.run())
    served = Served(daemon, given, port)
    try:
        # The port listens before the server accepts, so this waits until it does.
        assert (await served.get("/healthz")).status == 200
        yield served
    finally:
        daemon.stop()
        async with asyncio.timeout(5):
            await running
