"""The end of this machine's Asterisk when it does not obey.

A pid is held by a pidfd (pidfd_open(2)) from the look to the kill, so that it cannot become another process meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import Final

from failover.errors import FailoverError, NotProven
from failover.probes.asterisk_process import AsteriskProcess, find_asterisk, started_at
from pair import Asterisk

GONE_S: Final = 3.0
"""Seconds for the kernel to end a process after SIGKILL; one that waits for a dead disk takes for ever."""
AGAIN_S: Final = 1.5
"""Seconds in which safe_asterisk, or another supervisor, would start it anew."""


class NotKilled(FailoverError):
    """Asterisk is still there after SIGKILL; only taking the machine's power ends it."""


def kill_asterisk(asterisk: Asterisk) -> tuple[AsteriskProcess, ...]:
    """Kills this machine's Asterisk and returns what was killed, once it is gone and nothing started it anew.

    Raises:
        NotKilled: it is still there.
    """
    killed: list[AsteriskProcess] = []
    until = time.monotonic() + AGAIN_S
    while True:
        processes = find_asterisk(asterisk)
        for process in processes:
            if process.supervisor:
                _end(process.supervisor, None)
            _end(process.pid, process.started)
            killed.append(process)
        if not processes and time.monotonic() > until:
            return tuple(killed)
        if len(killed) > 20:
            raise NotKilled(
                "Asterisk was killed 20 times and something starts it anew at once. "
                "Stop that, or take the machine's power."
            )
        if not processes and not killed:
            return ()
        time.sleep(0.1)


def proven_gone(asterisk: Asterisk) -> str:
    """The proof that no Asterisk of this configuration runs, in words.

    Raises:
        NotProven: one does.
    """
    if processes := find_asterisk(asterisk):
        pids = ", ".join(str(process.pid) for process in processes)
        raise NotProven(f"Asterisk still runs (process {pids})")
    return "no Asterisk process runs and its control socket is closed"


def _end(pid: int, started: int | None) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if started is not None and started_at(Path("/proc"), pid) != started:
            return  # another process has that number by now
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        if not waiting.poll(GONE_S * 1000):
            raise NotKilled(
                f"Process {pid} is still there {GONE_S:g} s after SIGKILL: it waits for a disk or a device. "
                "Take the machine's power; until then it may register by itself."
            )
    except PermissionError:
        raise NotKilled(f"Process {pid} may not be killed by this user. Type the same as root.") from None
    finally:
        os.close(descriptor)
