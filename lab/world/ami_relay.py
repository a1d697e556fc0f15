"""Reaches the manager interface of a machine of the world from the test's own event loop, by host and port."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

from lab.errors import LabError
from lab.world.machine import Machine

_READ: Final = 65536


class AmiRelay:
    """A port on loopback that stands for a port of a machine: every connection to it becomes one over there.

    `async with AmiRelay(w.boston) as relay:` … `relay.port`. Where nothing listens, the connection is closed at once.

    Attributes:
        port: on 127.0.0.1.
        connections: how many were made through it.
    """

    def __init__(self, machine: Machine, port: int = 5038) -> None:
        self.port = 0
        self.connections = 0
        self._machine = machine
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        # A cancelled relay is one that ended: asyncio.start_server would report it otherwise.
        with contextlib.suppress(asyncio.CancelledError):
            await self._joined(reader, writer)
        self._tasks.discard(task)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            connected = await asyncio.to_thread(self._machine.connect, "127.0.0.1", self._target, deadline_s=2.0)
        except (LabError, OSError):
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection(sock=connected)
        ways = [
            asyncio.create_task(_copy(reader, there_writer)),
            asyncio.create_task(_copy(there_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # What one side sent before it closed still reaches the other.
            await asyncio.wait(ways, timeout=0.2)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, there_writer):
                end.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_READ):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
