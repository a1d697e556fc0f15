"""A stand-in for Asterisk in a process of its own that reads a file again only where its stat says that it changed.

lab's stand-in reads everything at each reload. The real one reads what belongs to the module, and that only where a
file's size or mtime is another than last time (main/config.c); so a reload that is left out, or that Asterisk would
take for needless, is seen here as there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.fakes.asterisk import FakeAsterisk
from localized.asterisk.configuration import Conf, LocalDisk, read_conf

_READ_BY: Final = {
    "sip reload": ("sip.conf", "SIPshowregistry"),
    "iax2 reload": ("iax.conf", "IAXregistry"),
    "module reload res_pjsip.so": ("pjsip.conf", "PJSIPShowRegistrationsOutbound"),
    "module reload pbx_config.so": ("extensions.conf", ""),
}
"""Command -> the file that its module begins with, and the list that shows what came of it."""

Read = dict[str, dict[str, str]]
"""First file of a module -> each file of ours that it has read, and what stood there."""


class CarefulAsterisk(FakeAsterisk):
    """One machine's Asterisk, and what each of its modules has read."""

    def __init__(self, control: Path, config: Path) -> None:
        """
        Args:
            control: an empty directory for its socket and its command.
            config: its configuration directory; it need not be there yet.
        """
        super().__init__("boston", "16", control, {})
        self._config = config
        self._stats: dict[str, dict[str, tuple[int, int]]] = {}
        self._read: Read = {}
        self._globals = ""

    def _conf(self, name: str) -> Conf:
        return read_conf(name, str(self._config), LocalDisk()) or Conf()

    def _said(self, command: str) -> str:
        if command == "start anew":
            self._stats.clear()
            for each in _READ_BY:
                self._reload(each)
            return ""
        if command == "what was read":
            return json.dumps(self._read)
        if command in _READ_BY:
            self._reload(command)
            return ""
        if command == "dialplan show globals":
            return self._globals
        return super()._said(command)

    def _reload(self, command: str) -> None:
        first, shown_in = _READ_BY[command]
        files = list(self._ours(first))
        stats = {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}
        if self._stats.get(first) == stats:
            return
        self._stats[first] = stats
        self._read[first] = {path.name: path.read_text() for path in files}
        if not shown_in:
            self._globals = super()._said("dialplan show globals")
            return
        before = dict(self._ami.items)
        self._register()
        self._ami.items = {**self._ami.items, **before, shown_in: self._ami.items[shown_in]}

    def _ours(self, first: str) -> Iterator[Path]:
        for line in (self._config / first).read_text().splitlines() if (self._config / first).exists() else ():
            if line.startswith("#include"):
                path = Path(line.split('"')[1])
                if path.exists():
                    yield path


class Running:
    """One that runs in a process of its own.

    Attributes:
        command: to be called as `asterisk`.
        port: of its manager interface.
    """

    def __init__(self, command: Path, port: int, control: Path) -> None:
        self.command = command
        self.port = port
        self._control = control

    def start_anew(self) -> None:
        """Reads everything, as after a start."""
        self._ask("start anew")

    def read(self) -> Read:
        """What each module has read."""
        found: Read = json.loads(self._ask("what was read"))
        return found

    def _ask(self, what: str) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(self._control))
            client.sendall(what.encode() + b"\n")
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()


@contextmanager
def careful_asterisk(control: Path, config: Path) -> Iterator[Running]:
    """Runs one until the end of the block."""
    asterisk = CarefulAsterisk(control, config)
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(_serve(asterisk, tell))
        finally:
            os._exit(1)
    try:
        os.close(tell)
        with os.fdopen(ready) as told:
            yield Running(asterisk.command, int(told.readline()), control / "asterisk.ctl")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


async def _serve(asterisk: CarefulAsterisk, tell: int) -> None:
    await asterisk.start()
    os.write(tell, f"{asterisk.port}\n".encode())
    await asyncio.Event().wait()
