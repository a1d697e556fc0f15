"""A lock between processes that can say who holds it.

flock(2) needs no more than a descriptor that reads: whoever may open a lock file may hold it. So ours are closed to
all but their owner, and one that an earlier version left open is closed when it is next opened.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import time
from pathlib import Path
from types import TracebackType

from host.atomic import own_directory
from host.errors import HotstandbyError
from host.file_reading import MISREAD, from_json
from host.printable import printable


class LockHeld(HotstandbyError):
    """Another process holds the lock; the message names it where the kernel does."""


def holders(path: Path) -> list[int]:
    """Process ids that the kernel lists for flock(2) on a file (proc(5), locks); 0 where it is in another namespace.

    Looking takes nothing: trying the lock would turn away who begins at that very moment. Empty also where it cannot
    be known: no /proc, or a file system (overlayfs, btrfs) whose files tell another device than the kernel lists.
    """
    try:
        state = path.stat()
        listed = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    identity = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
    found = []
    for line in listed.splitlines():
        # "1: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF"; one that only waits has "->" in the second place.
        words = line.split()
        if len(words) >= 6 and words[1] == "FLOCK" and words[5] == identity:
            found.append(int(words[4]) if words[4].isdecimal() and len(words[4]) < 10 else 0)
    return found


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
        own_directory(self.path.parent)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with contextlib.suppress(PermissionError):
                if os.fstat(descriptor).st_mode & 0o777 != 0o600:
                    os.fchmod(descriptor, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            raise LockHeld(
                f"Already running: {_described(holder, holders(self.path), self.path)}; then try again."
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


def _described(note: bytes, listed: list[int], path: Path) -> str:
    """Who holds a lock and what to do about it. The note is what its last holder wrote, and that may have ended long
    ago: it is believed only where the kernel lists that process."""
    proven = [process for process in listed if process > 0]
    try:
        holder = from_json(note)
        process, purpose = int(holder["pid"]), printable(str(holder["purpose"]))
        age_s = max(0.0, time.time() - float(holder["since"]))
        if process in proven and math.isfinite(age_s):
            return f"{purpose} (process {process}, for {age_s:.0f} s). Wait until it ends, or end it"
    except MISREAD:
        pass
    if proven:
        return (
            f"process {proven[0]}{_named(proven[0])} holds {path} and has not said what it does. "
            f"Look at it with: ps -fp {proven[0]}; wait until it ends, or end it"
        )
    return (
        f"some process holds {path}; which one cannot be known here. Look with: lslocks, or: fuser -v {path}; "
        "wait until it ends, or end it"
    )


def _named(process: int) -> str:
    try:
        return f" ({printable(Path(f'/proc/{process}/comm').read_text(errors='replace').strip(), 40)})"
    except OSError:
        return ""
