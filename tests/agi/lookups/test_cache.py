"""What kept answers are good for, and a cache file that may hold, or do, anything."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import stat
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agi.lookups.cache import CachedAnswer, Freshness, MemoryCache, Validity
from agi.lookups.cache_file import CacheFile, entry_from

KEEPING = Freshness(fresh_s=10, renew_s=20, stale_s=30, missing_s=5)
PLACE = ("caller:0", "+1")
ENTRY = CachedAnswer({"COMPANY": "Acme"}, 100.0)
PATIENCE_S = 5.0


@pytest.mark.parametrize(
    ("fields", "age_s", "use"),
    [
        ({"A": "x"}, 0, Validity.FRESH),
        ({"A": "x"}, 9.9, Validity.FRESH),
        ({"A": "x"}, 10, Validity.RENEW),
        ({"A": "x"}, 20, Validity.FALLBACK),
        ({"A": "x"}, 30, Validity.NONE),
        ({}, 9, Validity.FRESH),  # found, with every column empty
        (None, 4, Validity.FRESH),
        (None, 5, Validity.NONE),  # "not found" is never used for long
        ({"A": "x"}, -1, Validity.FALLBACK),  # the clock was set back: its age is unknown
        ({"A": "x"}, -31, Validity.NONE),
        (None, -1, Validity.NONE),
    ],
)
def test_an_answer_is_good_for_less_as_it_ages(fields: dict[str, str] | None, age_s: float, use: Validity) -> None:
    assert KEEPING.use(CachedAnswer(fields, 100.0), 100.0 + age_s) is use


def test_memory_keeps_what_was_used_last() -> None:
    memory = MemoryCache(rows=2)
    for key in ("a", "b"):
        memory.put(("q", key), ENTRY)
    memory.get(("q", "a"))
    memory.put(("q", "c"), ENTRY)
    assert [memory.get(("q", key)) is not None for key in "abc"] == [True, False, True]


def test_what_was_written_is_found_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "var" / "lookups.sqlite"
    first = CacheFile(path)
    first.put(PLACE, ENTRY)
    first.put(("caller:0", "+2"), CachedAnswer(None, 5.0))
    first.close(PATIENCE_S)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = CacheFile(path)
    assert second.get(PLACE, PATIENCE_S) == ENTRY
    assert second.get(("caller:0", "+2"), PATIENCE_S) == CachedAnswer(None, 5.0)
    assert second.get(("caller:1", "+1"), PATIENCE_S) is None
    second.close(PATIENCE_S)


def test_an_answer_that_nobody_foresaw_costs_none_of_those_after_it(tmp_path: Path) -> None:
    kept = CacheFile(tmp_path / "lookups.sqlite")
    odd = CachedAnswer({"COMPANY": b"bytes"}, 1.0)  # type: ignore[dict-item]
    kept.put(("caller:0", "+0"), odd)
    kept.put(PLACE, ENTRY)
    assert kept.get(PLACE, PATIENCE_S) == ENTRY
    kept.close(PATIENCE_S)


def test_a_thread_that_died_is_started_again(tmp_path: Path) -> None:
    kept = CacheFile(tmp_path / "lookups.sqlite")
    kept.put(PLACE, ENTRY)
    assert kept.get(PLACE, PATIENCE_S) == ENTRY
    died = kept._thread
    assert died is not None
    kept._orders.put(None)  # it ends, and nobody has said so to the others
    died.join(PATIENCE_S)
    assert kept.get(PLACE, PATIENCE_S) == ENTRY
    kept.close(PATIENCE_S)


def test_the_oldest_rows_go_when_there_are_too_many(tmp_path: Path) -> None:
    file = CacheFile(tmp_path / "c", rows=50)
    for number in range(501):
        file.put(("q", str(number)), CachedAnswer({"N": "x"}, float(number)))
    assert file.get(("q", "500"), PATIENCE_S) is not None
    file.close(PATIENCE_S)
    with contextlib.closing(sqlite3.connect(tmp_path / "c")) as connection:
        (count, oldest) = connection.execute("SELECT count(*), min(stored) FROM answer").fetchone()
    assert (count, oldest) == (50, 451.0)


def test_long_answers_take_no_more_disk_than_allowed(tmp_path: Path) -> None:
    file = CacheFile(tmp_path / "c", pages=100)
    for number in range(600):
        file.put(("q", str(number)), CachedAnswer({"N": "x" * 2000}, float(number)))
    assert file.get(("q", "599"), PATIENCE_S) is not None
    assert file.get(("q", "0"), PATIENCE_S) is None
    assert not file.failing
    file.close(PATIENCE_S)
    assert (tmp_path / "c").stat().st_size <= 100 * 4096


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(min_size=1, max_size=300), prefix=st.sampled_from([b"", b"SQLite format 3\0"]))
def test_a_corrupt_file_is_made_anew(tmp_path: Path, garbage: bytes, prefix: bytes) -> None:
    path = tmp_path / "corrupt"
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(prefix + garbage)
    file = CacheFile(path)
    file.get(PLACE, PATIENCE_S)  # finds out
    file.put(PLACE, ENTRY)
    assert file.get(PLACE, PATIENCE_S) == ENTRY
    file.close(PATIENCE_S)


def test_damage_in_the_middle_of_a_file_ends_in_memory_or_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "c"
    file = CacheFile(path)
    for number in range(300):
        file.put(("q", str(number)), CachedAnswer({"N": "x" * 200}, float(number)))
    file.close(PATIENCE_S)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    file = CacheFile(path)
    file.get(("q", "7"), PATIENCE_S)
    file.put(PLACE, ENTRY)
    assert file.get(PLACE, PATIENCE_S) == ENTRY
    file.close(PATIENCE_S)


STORED = st.one_of(st.none(), st.text(), st.binary(), st.floats(), st.integers(-(2**63), 2**63 - 1))
JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(STORED, st.one_of(STORED, JSON.map(json.dumps)))
def test_a_row_is_what_we_write_or_nothing(stored: object, fields: object) -> None:
    entry = entry_from(stored, fields)
    if entry is not None and entry.fields is not None:
        assert all(isinstance(text, str) for pair in entry.fields.items() for text in pair)
    assert entry is None or isinstance(entry.stored, float)


@pytest.mark.parametrize("trouble", ["locked", "full", "no directory", "read-only database"])
def test_a_file_that_fails_is_said_once_and_costs_no_call_much(
    tmp_path: Path, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / "c"
    with contextlib.ExitStack() as stack:
        if trouble == "no directory":
            (tmp_path / "x").write_text("")
            path = tmp_path / "x" / "c"
        elif trouble == "full":
            path = Path("/dev/full")
        else:
            file = CacheFile(path)
            file.put(PLACE, ENTRY)
            file.close(PATIENCE_S)
            locker = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
            if trouble == "locked":
                locker.execute("PRAGMA locking_mode=EXCLUSIVE")
                locker.execute("BEGIN EXCLUSIVE")
            else:
                locker.execute("DROP TABLE answer")
                locker.execute("CREATE VIEW answer AS SELECT 1 AS question, 2 AS key, 3 AS stored, 4 AS fields")
        file = CacheFile(path)
        begun = time.monotonic()
        for number in range(5):
            file.put(("q", str(number)), ENTRY)
            file.get(("q", str(number)), 0.05)
        assert time.monotonic() - begun < 20  # each waiting as long as SQLite does for a lock would make 25 s
        file.close(PATIENCE_S)
        assert file.failing
        assert len(caplog.records) == 1


def test_a_disk_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    file = CacheFile(tmp_path / "c")
    file.put(PLACE, ENTRY)
    assert file.get(PLACE, PATIENCE_S) == ENTRY
    with contextlib.closing(sqlite3.connect(tmp_path / "c", isolation_level=None)) as locker:
        locker.execute("BEGIN EXCLUSIVE")
        file.put(PLACE, ENTRY)  # stands 0.2 s before the lock
        begun = time.monotonic()
        assert file.get(PLACE, 0.05) is None
        for _ in range(600):
            file.get(PLACE, 0.05)
        assert time.monotonic() - begun < 20  # each waiting by itself would make more than 30 s
    file.close(PATIENCE_S)


def test_a_file_that_works_again_is_used_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parent = tmp_path / "var"
    parent.write_text("")
    file = CacheFile(parent / "c", retry_s=0)
    assert file.get(PLACE, PATIENCE_S) is None
    assert file.failing
    parent.unlink()
    file.put(PLACE, ENTRY)
    assert file.get(PLACE, PATIENCE_S) == ENTRY
    assert not file.failing
    assert "works again" in caplog.text
    file.close(PATIENCE_S)
