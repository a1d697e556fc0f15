"""What is remembered when the file is fine, locked, damaged, full or in the way; the file is a real one each time."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.history.database import DatabaseUnusable, open_database
from ami_watcher.history.store import REOPEN_EVERY_S, HistoryStore
from ami_watcher.history.timeline import DAY_S, WatchedPeriod
from tests.ami_watcher.fake_source import a_phone

NOW = 1_000_000.0


def change(at: float, after: str = "registered", subject: str = "acme") -> WatcherEvent:
    return WatcherEvent(at, EventKind.REGISTRATION, subject, "rejected", after, 'it\'s a "cause"; DROP TABLE entries')


@asynccontextmanager
async def keeping(path: Path, now: float = NOW, *, history_days: int = 30) -> AsyncIterator[HistoryStore]:
    store = HistoryStore(path, history_days=history_days, now=now)
    await store.begin(now)
    try:
        yield store
    finally:
        await store.end(now)


async def test_the_next_run_finds_what_this_one_knew(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.sqlite3"
    async with keeping(path) as store:
        store.record([change(NOW)])
        store.take_contacts([a_phone("100")], NOW)
        store.mark_watched(NOW + 60)
        await store.flush(NOW + 60)
    async with keeping(path, NOW + 70) as store:
        assert store.recent.recall(kind=EventKind.REGISTRATION) == [change(NOW)]
        assert [item.contact.name for item in store.inventory.known] == ["100"]
        assert store.watched == (WatchedPeriod(NOW, NOW + 70),)  # a short restart leaves no hole
        assert (await store.recall(subject="acme"))[1]
    async with keeping(path, NOW + 7000) as store:
        assert store.watched[-1] == WatchedPeriod(NOW + 7000, NOW + 7000)


async def test_what_held_before_the_last_day_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    async with keeping(path) as store:
        store.record([change(NOW - 9 * DAY_S, "rejected"), change(NOW - 8 * DAY_S)])
        await store.flush(NOW)
    async with keeping(path) as store:
        assert [entry.at for entry in store.recent.recall()] == [NOW - 8 * DAY_S]


async def test_what_is_older_than_history_days_goes(tmp_path: Path) -> None:
    async with keeping(tmp_path / "file.sqlite3", history_days=2) as store:
        store.record([change(NOW - 3 * DAY_S), change(NOW)])
        await store.flush(NOW)
        await store.flush(NOW + 10)
        found, complete = await store.recall()
        assert ([entry.at for entry in found], complete) == ([NOW], True)


async def test_an_entry_that_is_not_written_yet_is_recalled_once(tmp_path: Path) -> None:
    async with keeping(tmp_path / "file.sqlite3") as store:
        store.record([change(NOW)])
        await store.flush(NOW)
        store.record([change(NOW + 1)])
        assert [entry.at for entry in (await store.recall())[0]] == [NOW, NOW + 1]
        await store.flush(NOW + 2)
        assert [entry.at for entry in (await store.recall())[0]] == [NOW, NOW + 1]


async def test_a_locked_file_is_survived_in_memory_said_and_made_up_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file.sqlite3"
    async with keeping(path) as store:
        await store.flush(NOW)
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        store.record([change(NOW + 1)])
        await store.flush(NOW + 2)
        assert store.problem is not None
        assert "locked" in store.problem
        found, complete = await store.recall()
        assert ([entry.at for entry in found], complete) == ([NOW + 1], False)
        await store.flush(NOW + 4)  # it is not tried again at once, and not said again
        assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
        holder.execute("ROLLBACK")
        holder.close()
        await store.flush(NOW + 2 + REOPEN_EVERY_S + 1)
        assert store.problem is None
        found, complete = await store.recall()
        assert ([entry.at for entry in found], complete) == ([NOW + 1], True)


@pytest.mark.parametrize("damage", ["no database", "torn page", "another layout", "a name that is no text"])
async def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "file.sqlite3"
    async with keeping(path) as store:
        store.record([change(NOW + number / 1000, subject=f"trunk{number}") for number in range(2000)])
        await store.flush(NOW)
    if damage == "no database":
        path.write_bytes(b"what was here before was no database " * 400)
    elif damage == "torn page":
        data = bytearray(path.read_bytes())
        data[4096 : 4096 * 20] = b"\xff" * 4096 * 19
        path.write_bytes(data)
    elif damage == "a name that is no text":
        # SQLite quotes it in what it says of the file.
        path.write_bytes(path.read_bytes().replace(b"tableentriesentries", b"table\x95ntriesentries", 1))
    else:
        with sqlite3.connect(path) as file:
            file.execute("PRAGMA user_version = 99")
        file.close()
    before = path.read_bytes()
    async with keeping(path) as store:
        assert store.note is not None
        (aside,) = [found for found in tmp_path.iterdir() if found.name.startswith("file.sqlite3.damaged-")]  # noqa: ASYNC240
        assert str(aside) in store.note
        assert aside.read_bytes() == before
        store.record([change(NOW)])
        await store.flush(NOW)
        assert (await store.recall()) == ([change(NOW)], True)


async def test_a_full_disk_is_survived_and_nothing_is_lost_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    async with keeping(path) as store:
        await store.flush(NOW)
        # SQLite's own limit gives SQLITE_FULL, as a disk without room does.
        assert store._database is not None
        store._database._connection.execute("PRAGMA max_page_count = 1")
        store.record([change(NOW + number / 1000, subject=f"trunk{number}") for number in range(3000)])
        await store.flush(NOW + 5)
        assert store.problem is not None
        assert "full" in store.problem
        await store.flush(NOW + 5 + REOPEN_EVERY_S + 1)  # opened anew, without the limit
        assert store.problem is None
        found, complete = await store.recall(limit=10_000)
        assert (len(found), complete) == (3000, True)


async def test_a_directory_where_the_file_should_be_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    path.mkdir()
    async with keeping(path) as store:
        store.record([change(NOW)])
        await store.flush(NOW)
        assert store.problem is not None
        assert str(path) in store.problem
        assert (await store.recall()) == ([change(NOW)], False)


async def test_a_file_that_can_only_be_opened_late_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    async with keeping(path) as store:
        store.take_contacts([a_phone("100")], NOW)
        store.record([change(NOW)])
    hidden = path.rename(tmp_path / "away")
    path.mkdir()
    store = HistoryStore(path, history_days=30, now=NOW + 10)
    await store.begin(NOW + 10)
    store.take_contacts([a_phone("200")], NOW + 10)
    path.rmdir()
    hidden.rename(path)
    await store.flush(NOW + 10 + REOPEN_EVERY_S + 1)
    await store.end(NOW + 40)
    async with keeping(path, NOW + 50) as again:
        assert [item.contact.name for item in again.inventory.known] == ["100", "200"]
        assert len(again.recent.recall(kind=EventKind.REGISTRATION)) == 1


def test_two_writers_at_once_wait_for_each_other_or_are_refused_in_words(tmp_path: Path) -> None:
    first, _ = open_database(tmp_path / "file.sqlite3")
    second, _ = open_database(tmp_path / "file.sqlite3", wait_s=0.05)
    first._connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnusable, match="locked"):
        second.append([change(NOW)], WatchedPeriod(NOW, NOW), forget_before=0)
    first._connection.execute("ROLLBACK")
    second.append([change(NOW)], WatchedPeriod(NOW, NOW), forget_before=0)
    assert first.recall() == [change(NOW)]
    first.close()
    second.close()


async def test_ended_in_the_middle_of_writing_nothing_is_written_twice_or_lost(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    async with keeping(path) as store:
        await store.flush(NOW)
        holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        store.record([change(NOW + 1), change(NOW + 2)])
        flushing = asyncio.create_task(store.flush(NOW + 3))
        await asyncio.sleep(0.1)
        flushing.cancel()
        holder.execute("ROLLBACK")  # now the thread can write, whose caller is gone
        holder.close()
        with pytest.raises(asyncio.CancelledError):
            await flushing
    async with keeping(path) as store:
        assert [entry.at for entry in (await store.recall())[0]] == [NOW + 1, NOW + 2]


async def test_ten_thousand_phones_are_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    async with keeping(path) as store:
        store.take_contacts([a_phone(str(number)) for number in range(10_000)], NOW)
        async with asyncio.timeout(10):
            await store.flush(NOW)
    async with keeping(path) as store:
        assert len(store.inventory.known) == 10_000
