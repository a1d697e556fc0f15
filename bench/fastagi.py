"""FastAGI sessions a second at 1, 10 and 100 at once: agi-server with a cached lookup that sets three variables, and
panoramisk's server with one SET VARIABLE. Both are processes of their own, asked by the same client.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agi.fake_asterisk import environment
from bench.lookup_site import lookup_site
from bench.result import NotHere, Result

LEVELS: Final = {1: 300, 10: 600, 100: 1500}
"""Sessions at once -> sessions in a run."""

_CALLER: Final = "+14155551212"


def measure(*, runs: int) -> Result:
    """Medians of `runs` at each level, the two servers taking turns."""
    ours: dict[int, list[float]] = {level: [] for level in LEVELS}
    theirs: dict[int, list[float]] = {level: [] for level in LEVELS}
    with tempfile.TemporaryDirectory(prefix="bench-fastagi-") as name, contextlib.ExitStack() as stack:
        port, other = _free_port(), _free_port()
        site = stack.enter_context(lookup_site(Path(name), agi=f"port = {port}\nhealth_port = 0\n"))
        stack.enter_context(_running([str(Path(sys.executable).with_name("agi-server")), "run"], port, site.env))
        stack.enter_context(_panoramisk(other))
        lookup = environment("lookup", caller_number=_CALLER, network=True)
        single = environment("single", caller_number=_CALLER, network=True)
        sessions(port, lookup, at_once=1, count=1, told=b"FOUND")
        for _ in range(runs):
            for level, count in LEVELS.items():
                ours[level].append(count / sessions(port, lookup, at_once=level, count=count, told=b"FOUND"))
                theirs[level].append(count / sessions(other, single, at_once=level, count=count, told=b"Acme"))
        if site.asked() != 1:
            raise NotHere(f"the cache was passed by: Domino was asked {site.asked()} times")
    more = {}
    for level in LEVELS:
        one, two = statistics.median(ours[level]), statistics.median(theirs[level])
        more[f"{level} at once"] = f"ours {one:.0f}/s, panoramisk {two:.0f}/s, ratio {one / two:.2f}"
    return Result(
        name="fastagi",
        what="FastAGI sessions, 100 at once: a cached lookup with 3 variables, against one SET VARIABLE",
        against="panoramisk",
        unit="sessions/s",
        ours=ours[100],
        theirs=theirs[100],
        target="above 1, and not below 1 at 1 and 10 at once",
        more=more,
    )


def sessions(port: int, first: bytes, *, at_once: int, count: int, told: bytes) -> float:
    """Seconds for `count` sessions with `at_once` of them open, each of which is told `told`.

    One loop over epoll, so that the client costs as little as it can; it answers as Asterisk does.

    Raises:
        NotHere: a session stands still, or ended without that.
    """
    poll = select.epoll()
    open_now: dict[int, tuple[socket.socket, bytearray]] = {}
    begun = 0
    ended = 0

    def begin() -> None:
        connection = socket.socket()
        connection.settimeout(5)
        connection.connect(("127.0.0.1", port))
        connection.send(first)
        open_now[connection.fileno()] = (connection, bytearray())
        poll.register(connection.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    started = time.perf_counter()
    while begun < min(at_once, count):
        begin()
        begun += 1
    while ended < count:
        ready = poll.poll(5)
        if not ready:
            raise NotHere(f"a session on port {port} stands still after {ended} of {count}")
        for number, event in ready:
            connection, heard = open_now[number]
            data = connection.recv(65536)
            if data:
                heard += data
                connection.send(b"".join(map(_reply, data.splitlines())))
                if not event & select.EPOLLRDHUP:
                    continue
            if told not in heard:
                raise NotHere(f"a session on port {port} was told {bytes(heard)!r}")
            poll.unregister(number)
            del open_now[number]
            connection.close()
            ended += 1
            if begun < count:
                begin()
                begun += 1
    return time.perf_counter() - started


def _reply(line: bytes) -> bytes:
    if line.startswith(b"GET FULL VARIABLE "):
        return b"200 result=1 (" + line[18:].strip(b'"') + b")\n"
    return b"200 result=1\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(argv: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    process = subprocess.Popen(argv, env={**os.environ, **(env or {})}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 15
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise NotHere(f"'{argv[0]}' does not listen on port {port}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.05)
        yield
    finally:
        _end(process)


@contextlib.contextmanager
def _panoramisk(port: int) -> Iterator[None]:
    # Not probed: a connection without an environment makes this server spin for ever.
    argv = [sys.executable, "-m", "bench.panoramisk_server", str(port)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise NotHere("panoramisk's FastAGI server does not start")
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
