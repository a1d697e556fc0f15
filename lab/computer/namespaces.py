"""Namespaces with a process 1 of their own: how they are made, entered and ended.

Only util-linux and the kernel: `unshare` makes them, `nsenter` enters them, and the end of one process ends them
(see process_one.py). Entering also takes over the target's root directory, because setns(2) to a mount namespace
leads to that namespace's own root: outside of a chroot in which the lab may run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from lab.errors import LabError

_CLONE_NEWNET: Final = 0x40000000
_PROCESS_ONE: Final = Path(__file__).with_name("process_one.py")


def children(pid: int) -> list[int]:
    """Process ids of a process's children, as seen from here; [] when it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def parent(pid: int) -> int:
    """Process id of a process's parent, as seen from here; 0 when it is gone, or its parent cannot be seen."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def members(pid: int) -> list[int]:
    """Every process in the process namespace of `pid`, itself included, as seen from here."""
    try:
        wanted = Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "ns/pid").readlink() == wanted:
                    found.append(int(entry.name))
    return found


def signal_all(pids: Iterable[int], number: int) -> None:
    """Sends a signal to each process that is still there: whoever lists processes lists some that are ending."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Namespace:
    """A process 1, what it holds, and the pipe that keeps it alive.

    Args:
        argv: ends with the shell script that sets it up; the script's last command is appended here.
        name: for messages.
        deadline_s: seconds for the set-up.
    """

    def __init__(self, prefix: Sequence[str], setup: str, *, name: str, deadline_s: float = 20.0) -> None:
        self.name = name
        script = f'set -e\n{setup}\nexec "$0" -I -S "$1"\n'
        self._process = subprocess.Popen(
            [*prefix, "sh", "-c", script, sys.executable, str(_PROCESS_ONE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._await_ready(deadline_s)
        except BaseException:
            self.end()
            raise
        self.pid = self._innermost()

    def _await_ready(self, deadline_s: float) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        readable, _, _ = select.select([self._process.stdout], [], [], deadline_s)
        if readable and self._process.stdout.readline() == b"ready\n":
            return
        self._kill()
        said = self._process.stderr.read().decode(errors="replace").strip() or f"nothing within {deadline_s:g} s"
        raise LabError(f"{self.name} could not be set up: {said}")

    def _innermost(self) -> int:
        pid = self._process.pid
        while below := children(pid):
            pid = below[0]
        return pid

    @property
    def alive(self) -> bool:
        """Whether its process 1 still runs."""
        return self._process.poll() is None

    def enter(self, *kinds: str) -> list[str]:
        """The beginning of a command line that runs the rest of it in there.

        Args:
            kinds: long option names of nsenter(1): mount, net, pid, uts.
        """
        return ["nsenter", "--target", str(self.pid), *(f"--{kind}" for kind in kinds), "--root", "--wd", "--"]

    def end(self) -> None:
        """Ends it and everything in it; returns when that is so."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._kill()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _kill(self) -> None:
        if self._process.poll() is None:
            signal_all((*children(self._process.pid), self._process.pid), signal.SIGKILL)
            self._process.wait(5)


def socket_inside(pid: int, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket that belongs to the network namespace of `pid`, for use from here.

    A socket stays in the namespace in which it was created (network_namespaces(7)); setns(2) moves one thread,
    so a thread of its own goes there and comes to its end.

    Raises:
        LabError: when the namespace is gone or may not be entered.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    made: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            with open(f"/proc/{pid}/ns/net", "rb") as namespace:  # noqa: PTH123
                if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket(family, kind, protocol))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, name="socket-inside")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise LabError(f"no socket in the network of process {pid} ({made[0]})")
    return made[0]


def wait_until_gone(pids: Sequence[int], deadline_s: float) -> list[int]:
    """Those of `pids` that are still there after at most `deadline_s` seconds."""
    until = time.monotonic() + deadline_s
    while left := [pid for pid in pids if _runs(pid)]:
        if time.monotonic() > until:
            return left
        time.sleep(0.02)
    return []


def _runs(pid: int) -> bool:
    """Whether it is there and more than an entry that its parent has not read yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
