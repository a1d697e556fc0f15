"""ami-watcher for tests: started, asked, stopped; in the loop of the test, or as a process of its own."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ami_watcher.command import main
from ami_watcher.daemon.daemon import WatcherDaemon
from ami_watcher.follow.follow import follower
from host.places import Places
from lab.fakes.ami import FakeAmi
from pair import read

COMMAND = str(Path(sys.executable).with_name("ami-watcher"))


def free_port() -> int:
    """A TCP port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Asked:
    """A running ami-watcher, asked over TCP and by its commands."""

    port: int
    environment: Mapping[str, str]

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Status and body of one request over TCP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def command(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """What `ami-watcher ARGV` prints and ends with."""
        return command(self.environment, *argv)


@dataclass
class Running(Asked):
    """One that is a process."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Everything that it logged."""
        return self.log.read_text()

    def listen(self, last_id: str | None = None) -> http.client.HTTPResponse:
        """An open stream of events."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/api/events", headers={"Last-Event-ID": last_id} if last_id else {})
        return connection.getresponse()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tells it to end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def command(environment: Mapping[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    """Runs ami-watcher to its end: in this process, but for `run`, which takes over the log."""
    if argv[:1] != ("run",):
        done = CliRunner().invoke(main, list(argv), env=dict(environment))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(argv, done.exit_code, done.stdout, done.stderr)
    return subprocess.run([COMMAND, *argv], env=environment, capture_output=True, text=True, timeout=60, check=False)


def environment_of(places: Places, **more: str) -> dict[str, str]:
    """The environment in which the command finds these places."""
    return {
        **{name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "JOURNAL_STREAM")},
        "HOTSTANDBY_CONFIG": str(places.config),
        "HOTSTANDBY_STATE": str(places.state),
        "HOTSTANDBY_RUN": str(places.run),
        **more,
    }


@contextmanager
def watcher(places: Places, port: int, **more: str) -> Iterator[Running]:
    """Starts `ami-watcher run`, and waits until it answers."""
    environment = environment_of(places, **more)
    log = places.state / "log"
    with log.open("ab") as sink:
        process = subprocess.Popen([COMMAND, "run"], env=environment, stdout=sink, stderr=sink)
    running = Running(port, environment, process, log)
    try:
        wait_for(lambda: process.poll() is not None or answers(port), "it answers", 30)
        assert process.poll() is None, running.said()
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)


@asynccontextmanager
async def watching(places: Places, port: int) -> AsyncIterator[Asked]:
    """ami-watcher in this loop, as `run` makes it; it is asked from a thread beside it."""
    pair = read(places)
    daemon = WatcherDaemon(places, pair, "boston", follower(places, pair, "boston"))
    running = asyncio.create_task(daemon.run())
    try:
        yield Asked(port, environment_of(places))
        assert not running.done(), running.exception()
    finally:
        daemon.stop()
        await running


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], Any], what: str, deadline_s: float = 40.0) -> Any:
    """What `condition` gives as soon as that is true."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail(f"not within {deadline_s:g} s: {what}")


@asynccontextmanager
async def asterisk() -> AsyncIterator[FakeAmi]:
    """An Asterisk 16 in which acme is registered, and a phone called 100."""
    async with FakeAmi("16") as standin:
        standin.items["SIPshowregistry"] = [
            {"Host": "sip.acme.example", "Domain": "sip.acme.example", "Username": "5551000", "State": "Registered"}
        ]
        standin.items["PJSIPShowContacts"] = [{"ExpirationTime": str(int(time.time()) + 1800)}]
        standin.items["IAXregistry"] = []
        standin.items["PJSIPShowRegistrationsOutbound"] = []
        yield standin
