"""The answers on disk, so that a restart, or a process for each call, finds them.

A disk can hang, be full, or hold rubbish, and a call waits for none of it: one thread owns the SQLite connection,
readers wait for it a bounded time, and writes that it cannot keep up with are dropped. What is read is checked like
anything else from outside. When the file fails, it is said once, and memory alone serves until it works again.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from concurrent.futures import Future
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi.lookups.cache import CachedAnswer, CacheKey
from host.atomic import own_directory
from host.printable import printable

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)

ROWS: Final = 100_000
"""The oldest go first."""
PAGES: Final = 16_384
"""Of 4 KiB: 64 MiB. Who has long answers keeps fewer of them."""
_QUEUE: Final = 1000
_RETRY_S: Final = 60.0
"""A file that failed is tried again after so long."""
_PRUNE_EVERY: Final = 500
_FIELDS_LIMIT: Final = 64 * 1024
_LAYOUT: Final = 1
_INSERT: Final = "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answer (
    question TEXT NOT NULL, key TEXT NOT NULL, stored REAL NOT NULL, fields TEXT NOT NULL,
    PRIMARY KEY (question, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answer_by_age ON answer (stored);
"""


class _OtherLayout(Exception):
    """The file is a cache of another version's."""


class CacheFile:
    """One SQLite file; safe for several threads, and for several processes at once.

    Args:
        path: created with mode 0600, because callers' names stand in it.
        rows, pages: at most so many are kept.
        retry_s: how long to leave a file alone that failed.
    """

    def __init__(self, path: Path, *, rows: int = ROWS, pages: int = PAGES, retry_s: float = _RETRY_S) -> None:
        self._path = path
        self._rows = rows
        self._pages = pages
        self._retry_s = retry_s
        self._orders: queue.Queue[tuple[CacheKey, CachedAnswer | Future[CachedAnswer | None]] | None] = queue.Queue(
            _QUEUE
        )
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._late: Future[CachedAnswer | None] | None = None
        # What follows belongs to the thread alone.
        self._connection: sqlite3.Connection | None = None
        self._closed_until = 0.0
        self._failing = False
        self._written = 0

    @property
    def failing(self) -> bool:
        """Whether memory alone serves."""
        return self._failing

    def get(self, cache_key: CacheKey, timeout_s: float) -> CachedAnswer | None:
        """The answer kept for `cache_key`; None also when the disk does not say within `timeout_s`.

        Once it did not, nobody waits for it again until it has.
        """
        late = self._late
        if late is not None and not late.done():
            return None
        answer: Future[CachedAnswer | None] = Future()
        if not self._order((cache_key, answer)):
            return None
        try:
            return answer.result(timeout_s)
        except TimeoutError:
            self._late = answer
            return None

    def warm(self) -> None:
        """Has the file opened. Never waits."""
        self._order((("", ""), Future()))

    def put(self, cache_key: CacheKey, entry: CachedAnswer) -> None:
        """Has `entry` written some time soon. Never waits."""
        self._order((cache_key, entry))

    def close(self, timeout_s: float = 1.0) -> None:
        """Writes what waits, as far as `timeout_s` allows."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(queue.Full):
                self._orders.put(None, timeout=timeout_s)
            thread.join(timeout_s)

    def _order(self, order: tuple[CacheKey, CachedAnswer | Future[CachedAnswer | None]]) -> bool:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                # One that died of what nobody foresaw is replaced: what it had open is opened anew.
                self._connection = None
                self._thread = threading.Thread(target=self._run, name="lookup cache", daemon=True)
                self._thread.start()
        try:
            self._orders.put_nowait(order)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            cache_key, what = order
            if isinstance(what, CachedAnswer):
                self._safely(cache_key, what)
            else:
                what.set_result(self._safely(cache_key, None))
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _safely(self, cache_key: CacheKey, entry: CachedAnswer | None) -> CachedAnswer | None:
        """Reads `cache_key`, or writes `entry` there; whatever goes wrong with the file ends here."""
        import sqlite3

        if time.monotonic() < self._closed_until:
            return None
        found: CachedAnswer | None
        try:
            if self._connection is None:
                self._connection = self._opened()
            if entry is None:
                found = self._read(self._connection, cache_key)
            else:
                self._write(self._connection, cache_key, entry)
                found = entry
        except (sqlite3.Error, sqlite3.Warning, _OtherLayout, OSError, ValueError, OverflowError) as error:
            self._give_up(error, corrupt=_is_corrupt(error))
            return None
        except Exception as error:
            # A defect of ours costs the one answer that met it, and neither the thread nor the answers after it.
            log.warning("the lookup cache %s passed over one answer: %s", self._path, type(error).__name__)
            return None
        if self._failing:
            self._failing = False
            log.warning("the lookup cache %s works again", self._path)
        return found

    def _give_up(self, error: Exception, *, corrupt: bool) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None
        if corrupt:
            # It is a cache: what it held can be asked again. The next attempt makes a new one.
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink()
        self._closed_until = time.monotonic() + (0 if corrupt and not self._failing else self._retry_s)
        if not self._failing:
            # A call that runs by itself, as Asterisk's user, may not use agi-server's file: nothing to warn of.
            level = logging.INFO if isinstance(error, PermissionError) else logging.WARNING
            then = "it is made anew" if corrupt else f"memory alone serves, next try in {self._retry_s:g} s"
            log.log(level, "the lookup cache %s failed (%s): %s", self._path, printable(str(error)), then)
        self._failing = True

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        own_directory(self._path.parent)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=0.2, isolation_level=None)
        try:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")  # after a power cut the cache may be gone; calls may not wait
            connection.execute("PRAGMA trusted_schema=OFF")
            layout = connection.execute("PRAGMA user_version").fetchone()[0]
            if layout not in (0, _LAYOUT):
                raise _OtherLayout(f"its layout is {layout}, and not {_LAYOUT}")
            connection.execute(f"PRAGMA max_page_count={self._pages:d}")
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version={_LAYOUT}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, connection: sqlite3.Connection, cache_key: CacheKey) -> CachedAnswer | None:
        with closing(
            connection.execute("SELECT stored, fields FROM answer WHERE question = ? AND key = ?", cache_key)
        ) as rows:
            row = rows.fetchone()
        return None if row is None else entry_from(row[0], row[1])

    def _write(self, connection: sqlite3.Connection, cache_key: CacheKey, entry: CachedAnswer) -> None:
        import sqlite3

        fields = json.dumps(None if entry.fields is None else dict(entry.fields))
        if len(fields) > _FIELDS_LIMIT:
            return
        row = (*cache_key, entry.stored, fields)
        try:
            connection.execute(_INSERT, row)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            (count,) = connection.execute("SELECT count(*) FROM answer").fetchone()
            self._prune(connection, count // 2)
            connection.execute(_INSERT, row)
        self._written += 1
        if self._written % _PRUNE_EVERY == 1:
            self._prune(connection, self._rows)

    def _prune(self, connection: sqlite3.Connection, rows: int) -> None:
        """Keeps the newest `rows`."""
        newest = "SELECT stored FROM answer ORDER BY stored DESC LIMIT 1 OFFSET ?"
        connection.execute(f"DELETE FROM answer WHERE stored < ({newest})", (max(rows - 1, 0),))  # noqa: S608


def entry_from(stored: object, fields: object) -> CachedAnswer | None:
    """A row of the file as an answer; None if it is anything else than what we write."""
    if not isinstance(stored, float | int) or not isinstance(fields, str) or len(fields) > _FIELDS_LIMIT:
        return None
    try:
        found = json.loads(fields)
    except (ValueError, RecursionError):
        return None
    if found is None:
        return CachedAnswer(None, float(stored))
    if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()):
        return CachedAnswer(found, float(stored))
    return None


def _is_corrupt(error: Exception) -> bool:
    """Whether the file, and not its disk or its directory, is the trouble.

    By wording as well: sqlite3 has had error codes since Python 3.11, but not for what Python itself raises.
    """
    text = str(error)
    return isinstance(error, _OtherLayout) or any(
        words in text for words in ("malformed", "not a database", "no such column", "no such table", "has no")
    )
