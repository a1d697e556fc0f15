"""The SQLite file in which phones and history outlive a restart.

The daemon believes its memory and only keeps a copy here: whatever happens to this file is said and survived.
All calls block, for at most a few seconds, and belong on one thread that is not the event loop's.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.history.timeline import WatchedPeriod
from ami_watcher.phones.contact import Contact, Reach
from ami_watcher.phones.inventory import KnownContact
from host.atomic import own_directory
from host.errors import HotstandbyError

LAYOUT: Final = 1
"""Number of the tables' layout, kept in the file as user_version."""
WAIT_S: Final = 0.5
"""How long one call waits for a lock that somebody else holds; the daemon has to end within 2 s."""

TABLES: Final = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    before TEXT, after TEXT, cause TEXT
);
CREATE INDEX entries_by_time ON entries (at);
CREATE INDEX entries_by_subject ON entries (kind, subject, at);
CREATE TABLE known (
    channel TEXT NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL, reach TEXT NOT NULL, rtt_ms REAL,
    user_agent TEXT, expires_at REAL, dynamic INTEGER NOT NULL,
    first_seen REAL NOT NULL, last_seen REAL NOT NULL, here INTEGER NOT NULL,
    PRIMARY KEY (channel, name, address)
) WITHOUT ROWID;
CREATE TABLE watched (start REAL PRIMARY KEY, end REAL NOT NULL) WITHOUT ROWID;
"""


class DatabaseUnusable(HotstandbyError):
    """The file cannot be read or written now: locked, full, read-only. It may be well again later."""


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """What an earlier run left."""

    events: tuple[WatcherEvent, ...]
    known: tuple[KnownContact, ...]
    watched: tuple[WatchedPeriod, ...]


class HistoryDatabase:
    """An open file; see `open_database`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Takes over an open connection to a file with our tables."""
        self._connection = connection
        self.path = path

    def append(self, events: Sequence[WatcherEvent], watched: WatchedPeriod, *, forget_before: float) -> None:
        """Adds `events`, whole or not at all, and drops what is older than `forget_before`.

        Args:
            events: new ones.
            watched: this run so far.
            forget_before: unix seconds.

        Raises:
            DatabaseUnusable: nothing was written.
        """
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO entries (at, kind, subject, before, after, cause) VALUES (?, ?, ?, ?, ?, ?)",
                ((one.at, one.kind, one.subject, one.before, one.after, one.cause) for one in events),
            )
            self._connection.execute("INSERT OR REPLACE INTO watched VALUES (?, ?)", (watched.start, watched.end))
            self._connection.execute("DELETE FROM entries WHERE at < ?", (forget_before,))
            self._connection.execute("DELETE FROM watched WHERE end < ?", (forget_before,))

    def replace_known(self, known: Iterable[KnownContact]) -> None:
        """Makes `known` everybody that the file knows, whole or not at all.

        Raises:
            DatabaseUnusable: nothing was written.
        """
        with self._transaction():
            self._connection.execute("DELETE FROM known")
            self._connection.executemany(
                "INSERT INTO known VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (_row(item) for item in known)
            )

    def load(self, since: float, limit: int) -> StoredHistory:
        """Events from `since` (unix seconds) on, the newest `limit`, with everybody known and when it was watched.

        Before them comes the last earlier event of each trunk: what held when the time began.

        Raises:
            DatabaseUnusable
        """
        try:
            watched = tuple(
                WatchedPeriod(*row) for row in self._connection.execute("SELECT start, end FROM watched ORDER BY start")
            )
            known = tuple(_known(row) for row in self._connection.execute("SELECT * FROM known"))
            # Beside max(), SQLite takes the other columns from the row that holds it.
            earlier = [
                row[1:]
                for row in self._connection.execute(
                    "SELECT max(at), at, kind, subject, before, after, cause FROM entries "
                    "WHERE at < ? AND kind != 'contact' GROUP BY kind, subject ORDER BY at",
                    (since,),
                )
            ]
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise _unwell(self.path, error) from error
        return StoredHistory((*_events(earlier), *self.recall(since=since, limit=limit)), known, watched)

    def recall(
        self, *, since: float = 0.0, kind: EventKind | None = None, subject: str | None = None, limit: int = 1000
    ) -> list[WatcherEvent]:
        """The newest `limit` events from `since` on, oldest first.

        Raises:
            DatabaseUnusable
        """
        try:
            rows = self._connection.execute(
                "SELECT at, kind, subject, before, after, cause FROM entries WHERE at >= :since "
                "AND (:kind IS NULL OR kind = :kind) AND (:subject IS NULL OR subject = :subject) "
                "ORDER BY at DESC, id DESC LIMIT :limit",
                {"since": since, "kind": kind, "subject": subject, "limit": limit},
            ).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise _unwell(self.path, error) from error
        return _events(reversed(rows))

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # A full disk may have ended the transaction by itself.
            if self._connection.in_transaction:
                self._connection.rollback()
            raise _unwell(self.path, error) from error


def open_database(path: Path, *, wait_s: float = WAIT_S) -> tuple[HistoryDatabase, str | None]:
    """The store at `path`, made where it is missing; with a sentence where a damaged file had to be moved aside.

    A damaged file is never deleted: it becomes PATH.damaged-UNIXTIME, for whoever wants to look.

    Args:
        path: the file; its directory is made.
        wait_s: how long a call waits for a lock.

    Raises:
        DatabaseUnusable: it cannot be opened now.
    """
    try:
        own_directory(path.parent)
        try:
            return _connected(path, wait_s), None
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as damage:
            aside = _moved_aside(path)
            note = f"{path} is damaged ({damage}); it is kept as {aside}, and a new one was begun without its history."
            return _connected(path, wait_s), note
    except (sqlite3.Error, OSError) as error:
        raise _unwell(path, error) from error


def _connected(path: Path, wait_s: float) -> HistoryDatabase:
    # SQLite would make it 0644; who is registered from where is for root and the group alone.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last seconds, which the memory of a dead machine holds no more either.
        connection.execute("PRAGMA synchronous = NORMAL")
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(str(found))
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        if layout == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;")
        elif layout != LAYOUT:
            raise sqlite3.DatabaseError(f"its layout is {layout}, and this version writes layout {LAYOUT}")
    except UnicodeDecodeError:
        # SQLite's own words about a damaged file quote it, and the module takes them for UTF-8.
        connection.close()
        raise sqlite3.DatabaseError("its tables have names that are no text") from None
    except BaseException:
        connection.close()
        raise
    return HistoryDatabase(connection, path)


def _moved_aside(path: Path) -> Path:
    stamp = int(time.time())
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    while aside.exists():
        stamp += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    return aside


def _unwell(path: Path, error: Exception) -> DatabaseUnusable:
    return DatabaseUnusable(
        f"{path} cannot be used ({error}); phones and history are kept in memory until it can. "
        f"See its disk and owner with: df -h {path.parent}; ls -l {path.parent}"
    )


_KINDS: Final = frozenset(EventKind)


def _events(rows: Iterable[Sequence[Any]]) -> list[WatcherEvent]:
    """Events of rows; one of a kind that only a later version knows is left out."""
    return [WatcherEvent(at, EventKind(kind), *rest) for at, kind, *rest in rows if kind in _KINDS]


def _row(item: KnownContact) -> tuple[str | float | int | None, ...]:
    contact = item.contact
    return (
        contact.channel,
        contact.name,
        contact.address,
        contact.reach.value,
        contact.rtt_ms,
        contact.user_agent,
        contact.expires_at,
        int(contact.dynamic),
        item.first_seen,
        item.last_seen,
        int(item.here),
    )


def _known(row: tuple[object, ...]) -> KnownContact:
    channel, name, address, reach, rtt_ms, user_agent, expires_at, dynamic, first_seen, last_seen, here = row
    contact = Contact(
        channel=str(channel),
        name=str(name),
        address=str(address),
        reach=Reach(str(reach)),
        rtt_ms=_real(rtt_ms),
        user_agent=None if user_agent is None else str(user_agent),
        expires_at=_real(expires_at),
        dynamic=bool(dynamic),
    )
    return KnownContact(contact, _real(first_seen) or 0.0, _real(last_seen) or 0.0, here=bool(here))


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
