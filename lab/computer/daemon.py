"""A program that runs on a machine of the world, as the test process holds it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab.computer.namespaces import children
from lab.errors import LabError

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
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self, deadline_s: float = 20.0) -> None:
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

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
