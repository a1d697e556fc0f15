"""A lock between processes that can say who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType

from host.errors import HotstandbyError
from host.printable import printable


class LockHeld(HotstandbyError):
    """Another process holds the lock; the message names it."""


class Lock:
    """Exclusive between processes, given back by the kernel when its holder dies in any way.

    The file's content says who holds it; the lock itself is flock(2), so a stale file locks nothing.
    """

    def __init__(self, path: Path, purpose: str) -> None:
        """
        Args:
            path: lock file; its directory is made.
            purpose: what the holder is doing, in words that complete "… is running: ".
        """
        self.path = path
        self.purpose = purpose
        self._descriptor: int | None = None

    def __enter__(self) -> Lock:
        """Takes the lock at once.

        Raises:
            LockHeld: with the holder's process id, purpose and age.
            OSError
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            raise LockHeld(
                f"Already running: {_described(holder)}. Wait until it ends, or end it; then try again."
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        note = json.dumps({"pid": os.getpid(), "purpose": self.purpose, "since": time.time()}).encode()
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, note, 0)
        except OSError:
            # A full disk must not keep anybody from the lock: only the note about its holder is lost.
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _described(note: bytes) -> str:
    try:
        holder = json.loads(note)
        age_s = max(0.0, time.time() - float(holder["since"]))
        return f"{printable(str(holder['purpose']))} (process {int(holder['pid'])}, for {age_s:.0f} s)"
    except (ValueError, KeyError, TypeError):
        return "another process that has not said what it does"
