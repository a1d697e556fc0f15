"""Memory first, file second: what the daemon knows of the past, and its copy on disk.

Whatever happens to the file (locked, full, damaged, unwritable), the watcher goes on in memory and `problem` says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.history.database import DatabaseUnusable, HistoryDatabase, open_database
from ami_watcher.history.recent import REMEMBERED, RecentEvents
from ami_watcher.history.timeline import DAY_S, RESUME_GAP_S, WatchedPeriod, joined
from ami_watcher.phones.contact import Contact
from ami_watcher.phones.inventory import Inventory

Result = TypeVar("Result")
log = logging.getLogger(__name__)

KNOWN_EVERY_S: Final = 60.0
"""How often everybody's last_seen is written when nothing else is new: it spares the disk."""
REOPEN_EVERY_S: Final = 15.0
ALIVE_EVERY_S: Final = 10.0
"""How often it is written that the watcher watches, when there is nothing else to write; less than RESUME_GAP_S."""


class HistoryStore:
    """Everything that is remembered. Only `begin`, `flush`, `recall` and `end` touch the disk, in their own thread."""

    def __init__(self, path: Path, *, history_days: int, now: float) -> None:
        """
        Args:
            path: the SQLite file.
            history_days: how long events and phones are kept.
            now: unix seconds.
        """
        self.recent = RecentEvents()
        self.inventory = Inventory()
        self.history_days = history_days
        self.problem: str | None = None
        """Why nothing is written, in a sentence; None when all is well."""
        self.note: str | None = None
        """What happened to the file at some time in this run, such as that it was damaged and moved aside."""
        self._path = path
        self._database: HistoryDatabase | None = None
        self._earlier: tuple[WatchedPeriod, ...] = ()
        self._run = WatchedPeriod(now, now)
        self._pending: deque[WatcherEvent] = deque(maxlen=REMEMBERED)
        self._loaded = False
        self._known_at = float("-inf")
        self._written_at = float("-inf")
        self._opened_at = float("-inf")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def begin(self, now: float) -> None:
        """Opens the file and reads what an earlier run left; without a file, it begins empty."""
        await self._open(now)

    @property
    def watched(self) -> tuple[WatchedPeriod, ...]:
        """When watchers ran, this run included."""
        return joined((*self._earlier, self._run), gap_s=RESUME_GAP_S)

    def mark_watched(self, now: float) -> None:
        """Says that the watcher watches at `now` (unix seconds)."""
        self._run = WatchedPeriod(min(self._run.start, now), max(self._run.end, now))

    def record(self, events: Iterable[WatcherEvent]) -> None:
        """Remembers events; they reach the file with the next flush."""
        new = list(events)
        self.recent.add(new)
        self._pending.extend(new)

    def take_contacts(self, contacts: Iterable[Contact], now: float) -> list[WatcherEvent]:
        """Takes a whole list of contacts and remembers what changed."""
        events = self.inventory.take(contacts, now)
        self.record(events)
        return events

    async def flush(self, now: float) -> None:
        """Writes what is new. Never raises for the file's sake."""
        oldest = now - self.history_days * DAY_S
        self.inventory.forget(oldest)
        if self._database is None:
            if now - self._opened_at < REOPEN_EVERY_S:
                return
            await self._open(now)
            if self._database is None:
                return
        batch = list(self._pending)
        if not batch and now - self._written_at < ALIVE_EVERY_S:
            return
        run = self._run
        with_known = bool(batch) or now - self._known_at >= KNOWN_EVERY_S
        known = self.inventory.known if with_known else ()

        written: set[int] = set()

        def write(database: HistoryDatabase) -> None:
            database.append(batch, run, forget_before=oldest)
            written.update(id(event) for event in batch)
            if with_known:
                database.replace_known(known)

        try:
            await self._call(write)
        except DatabaseUnusable as error:
            self._failed(str(error))
            return
        finally:
            # Also where the rest failed, or we are being ended: what is in the file is not written twice.
            while self._pending and id(self._pending[0]) in written:
                self._pending.popleft()
        self._written_at = now
        if with_known:
            self._known_at = now
        if self.problem is not None:
            log.info("%s is written again; nothing that happened meanwhile is lost", self._path)
            self.problem = None

    async def recall(
        self, *, since: float = 0.0, kind: EventKind | None = None, subject: str | None = None, limit: int = 1000
    ) -> tuple[list[WatcherEvent], bool]:
        """The newest `limit` events from `since` on, oldest first, and whether they come from the whole history.

        Without the file it is what memory holds: at least this run, or the last 20,000 events of it.
        """
        if self._database is not None and self.problem is None:
            try:
                stored = await self._call(
                    lambda database: database.recall(since=since, kind=kind, subject=subject, limit=limit)
                )
            except DatabaseUnusable as error:
                self._failed(str(error))
            else:
                late = [
                    event
                    for event in self._pending
                    if event.at >= since and kind in (None, event.kind) and subject in (None, event.subject)
                ]
                merged = list(dict.fromkeys((*stored, *late)))
                return (merged[-limit:] if limit > 0 else []), True
        return self.recent.recall(since=since, kind=kind, subject=subject, limit=limit), False

    async def end(self, now: float) -> None:
        """Writes what is left and closes the file."""
        self.mark_watched(now)
        self._known_at = self._written_at = float("-inf")
        if self._database is not None:
            await self.flush(now)
        self._drop()
        # Behind the closing, which brings what is in the -wal file into the file itself.
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: None)
        self._thread.shutdown(wait=False)

    async def _open(self, now: float) -> None:
        self._opened_at = now
        try:
            self._database, note = await asyncio.get_running_loop().run_in_executor(
                self._thread, open_database, self._path
            )
        except DatabaseUnusable as error:
            self._failed(str(error))
            return
        if note is not None:
            log.error("%s", note)
            self.note = note
        if self._loaded:
            return
        try:
            kept = await self._call(lambda database: database.load(now - DAY_S, REMEMBERED))
        except DatabaseUnusable as error:
            self._failed(str(error))
            return
        # It may be opened late, when memory already knows more than the file.
        self.recent.add(kept.events)
        newer = self.inventory.known
        self.inventory = Inventory((*kept.known, *newer))
        self._earlier = kept.watched
        self._loaded = True

    async def _call(self, action: Callable[[HistoryDatabase], Result]) -> Result:
        store = self._database
        if store is None:
            raise DatabaseUnusable(f"{self._path} is not open")
        called = asyncio.get_running_loop().run_in_executor(self._thread, action, store)
        try:
            return await asyncio.shield(called)
        except asyncio.CancelledError:
            # The thread goes on in any case, for WAIT_S at most; what it did has to be known.
            await asyncio.wait([called])
            raise

    def _failed(self, message: str) -> None:
        # The file is opened anew before the next try: that finds damage, a new disk, a restored file.
        if self.problem is None:
            log.error("%s", message)
        self.problem = message
        self._drop()

    def _drop(self) -> None:
        if self._database is not None:
            self._thread.submit(self._database.close)
            self._database = None
