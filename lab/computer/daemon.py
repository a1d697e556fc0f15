"""A program that runs on a machine of the world, as the test process holds it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.computer.namespaces import children, signal_all
from lab.errors import LabError
from lab.until import HANG_S, Found, until

UNDER_A_SHELL = ("sh", "-c", '"$@"; exit $?', "sh")
"""Stands between nsenter(1) and a program: nsenter would stop itself with a child that is stopped, and then neither
reap it nor let its process namespace end."""


class Daemon:
    """A program that runs on a machine until it ends, or the machine, or the world does.

    Attributes:
        argv: what was started.
        pid: of the program itself, as seen from the test process.
        log: where its standard output and error go, as seen from the test process.
    """

    def __init__(self, argv: Sequence[str], process: subprocess.Popen[bytes], log: Path) -> None:
        self.argv = tuple(argv)
        self.log = log
        self._process = process
        self.pid = self._find(5.0)

    def _find(self, deadline_s: float) -> int:
        until = time.monotonic() + deadline_s
        while self._process.poll() is None and time.monotonic() < until:
            for shell in children(self._process.pid):
                if below := children(shell):
                    return below[0]
            time.sleep(0.005)
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, deadline_s: float) -> int:
        """Its exit code, once it has ended.

        Raises:
            LabError: it still runs after so many seconds.
        """
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"'{self.argv[0]}' still runs after {deadline_s:g} s") from None

    def send_signal(self, number: int) -> None:
        """Sends a signal to the program itself."""
        signal_all([self.pid], number)

    def terminate(self, deadline_s: float = HANG_S) -> None:
        """SIGTERM, and SIGKILL after so many seconds."""
        self.send_signal(signal.SIGTERM)
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)
        self._process.wait(5)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.poll() is None

    def until(self, found: Callable[[], Found | None], what: str, *, deadline_s: float = HANG_S) -> Found:
        """The first answer of `found` that is true, while this runs.

        Raises:
            LabError: it ended, or the deadline came, before that; with what it printed last.
        """
        return until(found, what, told=lambda: self.output()[-2000:], lives=lambda: self.running, deadline_s=deadline_s)

    def await_output(self, words: str, *, deadline_s: float = HANG_S) -> None:
        """Returns when it has printed these words.

        Raises:
            LabError: it ended without them, or they did not come by the deadline.
        """
        self.until(lambda: words in self.output(), f"'{words}' from {self.argv[0]}", deadline_s=deadline_s)

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
