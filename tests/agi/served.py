"""agi-server with a configuration of its own: in a thread, or as a process where the process is the subject."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pair as model
from agi.install import launcher
from agi.server import activation
from agi.server.log_limit import LogRateFilter
from agi.server.server import AgiServer
from host.places import Places
from lab.until import HANG_S, until

BIN = Path(sys.executable).parent
LIMIT_S = HANG_S

PAIR = """\
[pair]
name = "served"
[machines.boston]
public_address = "192.0.2.11"
preferred = true
[machines.dallas]
public_address = "192.0.2.12"
[agi]
port = {port}
health_port = {health_port}
{settings}
"""

GATE = """\
import os
import time


def run(call, services):
    "Waits for the file that the first argument names."
    call.set_variable("BEFORE", "1")
    call.get_variable("BEFORE")
    while not os.path.exists(call.environment.arguments[0]):
        time.sleep(0.01)
    call.set_variable("AFTER", "1")
"""

SCRIPTS = {
    "hello": """\
RESTARTABLE = True


def run(call, services):
    known = call.environment
    call.set_variable("CALLER", known.caller_number or "nobody")
    call.set_variable("ARGUMENTS", "|".join(known.arguments))
    call.set_variable("TAMPERED", known.tampered or "")
    call.set_variable("LOOKUP_STATUS", "TAMPERED" if known.tampered else "FOUND")
""",
    "ask": """\
def run(call, services):
    call.set_variable("X", "1)")
    call.set_variable("BACK", call.get_variable("X"))
    call.wait_for_digit(10)
    call.set_variable("HUNGUP", call.hungup)
    call.set_variable("LOOKUP_STATUS", "FOUND")
""",
    "again": """\
RESTARTABLE = True


def run(call, services):
    call.set_variable("ONCE", "1")
    call.before_waiting()
    call.set_variable("LOOKUP_STATUS", "FOUND")
""",
    "slow": f"DEADLINE_S = 1.0\n{GATE}",
    "gate": f"DEADLINE_S = 60.0\n{GATE}",
    "crash": """\
def run(call, services):
    call.set_variable("BEFORE", "1")
    raise RuntimeError("as an admin's script may")
""",
    "noisy": """\
def run(call, services):
    print('EXEC System "never"', flush=True)
    call.set_variable("LOOKUP_STATUS", "FOUND")
""",
    "broken": "def run(\n",
    "leaves": "raise SystemExit(3)\n",
    "empty": "",
}


@dataclass
class Site:
    """Where a server runs, or could.

    Attributes:
        home: its directories.
        port, health_port: its own.
        process: the server, where it is a process.
        thread: the server, where it is none.
        descriptors: how many it may have open; None for as many as this process.
        log: what it has logged.
    """

    home: Path
    port: int
    health_port: int
    process: subprocess.Popen[bytes] | None = None
    thread: InProcess | None = None
    env: dict[str, str] = field(default_factory=dict)
    descriptors: int | None = None

    @property
    def log(self) -> str:
        path = self.home / "log"
        return path.read_text() if path.exists() else ""

    def launcher(self, script: str) -> Path:
        """The launcher of a script, installed by the real command."""
        path = self.home / "agi-bin" / f"{script}.py"
        if not path.exists():
            # Every script gets one, the broken ones as well: a launcher is there before its script breaks.
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(launcher(Places.standard(environ=self.env), interpreter=sys.executable))
            path.chmod(0o755)
        return path

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and content of /healthz."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/healthz", timeout=LIMIT_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def metric(self, start: str) -> float:
        """The sum of all samples whose line starts so."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/metrics", timeout=LIMIT_S) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    def await_log(self, text: str) -> None:
        """Waits until the log holds `text`."""
        until(lambda: text in self.log, f"{text!r} in the log", told=lambda: self.log)

    def await_idle(self) -> None:
        """Waits until no session is left."""
        until(lambda: self.health()[1]["sessions"] == 0, "no session is left")

    def reload(self) -> None:
        """What SIGHUP does."""
        if self.thread is not None:
            self.thread.call(AgiServer.reload)
        else:
            assert self.process is not None
            self.process.send_signal(signal.SIGHUP)

    def open_descriptors(self) -> int:
        """How many the server has open now."""
        return len(os.listdir(f"/proc/{self.process.pid if self.process else 'self'}/fd"))

    def start(self) -> None:
        """Starts the server and waits until it listens."""
        few = [] if self.descriptors is None else ["prlimit", f"--nofile={self.descriptors}:{self.descriptors}"]
        with (self.home / "log").open("wb") as log:
            self.process = subprocess.Popen([*few, BIN / "agi-server", "run"], env=self.env, stdout=log, stderr=log)
        until(self._answers, "it answers", told=lambda: self.log)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with suppress(OSError):
            self.health()
            return True
        return False

    def stop(self) -> int:
        """Ends the server; its exit code."""
        if self.thread is not None:
            thread, self.thread = self.thread, None
            return thread.stop()
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(LIMIT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None


def make_site(
    home: Path, settings: str = "", scripts: dict[str, str] | None = None, *, health_port: int | None = None
) -> Site:
    """A configuration without a server."""
    port, health_port = free_port(), health_port or free_port()
    env = dict(os.environ)
    for name in ("config", "state", "run"):
        (home / name).mkdir()
        env[f"HOTSTANDBY_{name.upper()}"] = str(home / name)
    (home / "config/agi").mkdir()
    (home / "config/pair.toml").write_text(PAIR.format(port=port, health_port=health_port, settings=settings))
    for name, text in (SCRIPTS if scripts is None else scripts).items():
        (home / f"config/agi/{name}.py").write_text(text)
    return Site(home, port, health_port, env=env)


@contextmanager
def served(
    home: Path, settings: str = "", scripts: dict[str, str] | None = None, *, health_port: int | None = None
) -> Iterator[Site]:
    """A server in this process, ended with the block. Its log is what the handler of `agi-server run` would write."""
    site = make_site(home, settings, scripts, health_port=health_port)
    site.thread = InProcess(site)
    try:
        yield site
    finally:
        if site.thread is not None:
            site.stop()


@contextmanager
def served_by_process(
    home: Path, settings: str = "", scripts: dict[str, str] | None = None, *, descriptors: int | None = None
) -> Iterator[Site]:
    """`agi-server run`, ended with the block."""
    site = make_site(home, settings, scripts)
    site.descriptors = descriptors
    site.start()
    try:
        yield site
    finally:
        if site.process is not None:
            site.stop()


def drip(connection: socket.socket) -> None:
    """Sends a byte now and then until the other side lets go; a byte at a time is never late by itself."""
    with suppress(OSError):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            connection.sendall(b"x")
            time.sleep(0.01)
        raise AssertionError("nobody lets go")


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class InProcess:
    """A server in a thread of this process, with sockets of its own; what signals do is called by hand."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._handler = logging.FileHandler(site.home / "log")
        self._handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self._limited = LogRateFilter()
        self._handler.addFilter(self._limited)
        logging.getLogger().addHandler(self._handler)
        self._level = logging.getLogger("agi").level
        logging.getLogger("agi").setLevel(logging.INFO)
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="agi-server", daemon=True)
        self._thread.start()
        assert self._ready.wait(LIMIT_S), "the server does not start"
        if self._failure is not None:
            raise self._failure

    def call(self, act: Callable[[AgiServer], object]) -> None:
        """Has something done in the server's event loop, and waits until it is."""
        done = threading.Event()

        def run() -> None:
            act(self.server)
            done.set()

        self.server.loop.call_soon_threadsafe(run)
        assert done.wait(LIMIT_S)

    def stop(self) -> int:
        """Drains it and waits until it has ended."""
        with suppress(RuntimeError):  # it has ended by itself
            self.server.loop.call_soon_threadsafe(self.server.drain)
        self._thread.join(LIMIT_S)
        self._limited.tell()
        logging.getLogger().removeHandler(self._handler)
        logging.getLogger("agi").setLevel(self._level)
        self._handler.close()
        assert not self._thread.is_alive(), "the server does not end"
        return 0

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
            self._ready.set()

    async def _serve(self) -> None:
        places = Places.standard(environ=self.site.env)
        pair = model.active(places).pair
        listeners = [activation.listen_fastagi(pair), activation.listen_handover(places, pair)]
        self.server = AgiServer(places, pair, listeners=listeners)
        self.server.loop.call_soon(self._ready.set)
        await self.server.run()
