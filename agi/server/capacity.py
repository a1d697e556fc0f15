"""What the sessions of one way in may use together, so that nobody who comes the other way finds it used up.

The hand-over socket is guarded by its permissions, FastAGI by nothing: whoever has an account on this machine reaches
it. So each has its own number of sessions, of threads, and of turns to wait for one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agi.server.session import CallSession

READING: Final = 256
"""Sessions that may be in the loop beside those that have or wait for a thread."""
DESCRIPTORS: Final = {"fastagi": 1, "handover": 3}
"""Of one session: a socket; two pipes and the socket to their launcher."""
SHARE: Final = 0.375
"""Of all descriptors, for each way; the rest is for Domino, the cache, health, and those who have not said yet what
they want."""


class Capacity:
    """See the module.

    Attributes:
        way: "fastagi" or "handover".
        most: sessions at a time.
        sessions: those that there are, the oldest first.
    """

    def __init__(self, way: str, *, concurrency: int, queue: int, descriptors: int) -> None:
        """
        Args:
            concurrency: threads.
            queue: jobs that may wait for one.
            descriptors: what this process may have open (RLIMIT_NOFILE).
        """
        self.way = way
        self.most = max(1, min(concurrency + queue + READING, int(descriptors * SHARE) // DESCRIPTORS[way]))
        self.sessions: dict[CallSession, None] = {}
        self._concurrency = concurrency
        self._queue = queue
        self._jobs = 0
        self._threads = ThreadPoolExecutor(concurrency, f"agi {way}")

    @property
    def full(self) -> bool:
        """Whether another session finds no place."""
        return len(self.sessions) >= self.most

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return max(0, self._jobs - self._concurrency)

    @property
    def busy(self) -> bool:
        """Whether another job finds no turn."""
        return self._jobs >= self._concurrency + self._queue

    def oldest_silent(self) -> CallSession | None:
        """Who gives way to one more: where most places are held by sessions that have not said what for, the oldest
        of those. Fewer are what an honest rush looks like, and then whoever came first stays.
        """
        silent = [session for session in self.sessions if session.handshaking]
        return silent[0] if len(silent) * 2 > self.most else None

    def run_in_thread(self, job: Callable[[], None], loop: asyncio.AbstractEventLoop) -> bool:
        """Runs `job` in a thread, now or when one is free; False when too many wait already."""
        if self.busy:
            return False
        self._jobs += 1

        def done(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any more
                loop.call_soon_threadsafe(self._ended)

        self._threads.submit(job).add_done_callback(done)
        return True

    def end(self) -> None:
        """No more jobs. A script that will not end holds its thread, not the stop: its call has gone on already."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self) -> None:
        self._jobs -= 1
