"""agi-server as a process, with a configuration of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent

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
    "slow": """\
import time
DEADLINE_S = 1.0


def run(call, services):
    call.set_variable("BEFORE", "1")
    call.get_variable("BEFORE")
    time.sleep(float(call.environment.arguments[0]))
    call.set_variable("AFTER", "1")
""",
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
        process: the server.
        descriptors: how many it may have open; None for as many as this process.
        log: what it has logged.
    """

    home: Path
    port: int
    health_port: int
    process: subprocess.Popen[bytes] | None = None
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
            from agi.install import launcher
            from host.places import Places

            path.parent.mkdir(exist_ok=True)
            path.write_bytes(launcher(Places.standard(environ=self.env), interpreter=sys.executable))
            path.chmod(0o755)
        return path

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and content of /healthz."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def metric(self, start: str) -> float:
        """The sum of all samples whose line starts so."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    def await_log(self, text: str, deadline_s: float = 20.0) -> None:
        """Waits until the log holds `text`."""
        until = time.monotonic() + deadline_s
        while text not in self.log:
            assert time.monotonic() < until, f"{text!r} never came; the log is:\n{self.log}"
            time.sleep(0.02)

    def open_descriptors(self) -> int:
        """How many the server has open now."""
        assert self.process is not None
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def start(self) -> None:
        """Starts the server and waits until it listens."""
        few = [] if self.descriptors is None else ["prlimit", f"--nofile={self.descriptors}:{self.descriptors}"]
        with (self.home / "log").open("wb") as log:
            self.process = subprocess.Popen([*few, BIN / "agi-server", "run"], env=self.env, stdout=log, stderr=log)
        until = time.monotonic() + 15
        while True:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < until, self.log
            with suppress(OSError):
                self.health()
                return
            time.sleep(0.02)

    def stop(self) -> int:
        """Ends the server; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(15)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None


def make_site(home: Path, settings: str = "", scripts: dict[str, str] | None = None) -> Site:
    """A configuration without a server."""
    port, health_port = free_port(), free_port()
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
    home: Path, settings: str = "", scripts: dict[str, str] | None = None, *, descriptors: int | None = None
) -> Iterator[Site]:
    """A running server, ended with the block."""
    site = make_site(home, settings, scripts)
    site.descriptors = descriptors
    site.start()
    try:
        yield site
    finally:
        if site.process is not None:
            site.stop()


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
