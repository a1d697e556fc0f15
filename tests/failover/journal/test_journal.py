from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.journal import journal
from failover.journal.entry import (
    FIRST_CHECKSUM,
    EntryKind,
    JournalDamaged,
    JournalEntry,
    RunOutcome,
    Stamp,
    decode,
    encode,
)
from failover.journal.journal import JournalUnwritable
from failover.journal.run import StepState, fold, load
from tests.failover.fakes import Clock, masking

STAMP = Stamp("2026-01-01T00:00:00.000+00:00", 12.5, "boot-1", "dallas", 7)
WORDS = st.text(max_size=60)


def lines(count: int) -> list[bytes]:
    made, chain = [], FIRST_CHECKSUM
    for number in range(1, count + 1):
        line, chain = encode(
            JournalEntry(number, EntryKind.BEGUN, "dns", f"words {number}", STAMP, {"was": number}), chain
        )
        made.append(line)
    return made


def opened(where: Path, *secrets: str) -> journal.Journal:
    return journal.create(where, "promote", machine="dallas", epoch=7, mask=masking(*secrets), clock=Clock())


@given(st.lists(st.tuples(st.sampled_from(EntryKind), WORDS, WORDS, st.dictionaries(WORDS, WORDS)), max_size=8))
def test_what_is_written_is_read(told: list[tuple[EntryKind, str, str, dict[str, str]]]) -> None:
    chain, data, entries = FIRST_CHECKSUM, b"", []
    for number, (kind, step, words, saved) in enumerate(told, start=1):
        entries.append(JournalEntry(number, kind, step, words, STAMP, saved))
        line, chain = encode(entries[-1], chain)
        assert line.count(b"\n") == 1
        data += line
    read = decode(data)
    assert list(read.entries) == entries
    assert (read.chain, read.size, read.torn) == (chain, len(data), 0)


@given(st.integers(0, 3), st.data())
def test_a_journal_cut_short_anywhere_keeps_its_whole_lines(kept: int, data: st.DataObject) -> None:
    made = lines(4)
    part = data.draw(st.integers(0, len(made[kept]) - 1))
    read = decode(b"".join(made[:kept]) + made[kept][:part])
    assert len(read.entries) == kept
    assert read.torn == part


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_altered_byte_is_damage_wherever_it_stands(at: int, by: int) -> None:
    whole = b"".join(lines(3))
    at %= len(whole)
    with pytest.raises(JournalDamaged, match=r"^line "):
        decode(whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :])


@pytest.mark.parametrize("instead", [b"\0", b"\x0b", b"]", b"\n"[:0], b"\r"])
def test_a_last_newline_that_became_another_byte_is_damage_and_not_a_line_that_was_never_written(
    instead: bytes,
) -> None:
    """The step that it announces may have begun: a line that is only torn would be cut off, and never undone."""
    made = lines(3)
    altered = b"".join(made)[:-1] + instead
    if instead:
        with pytest.raises(JournalDamaged, match=r"^line 3 is whole, and its end was altered"):
            decode(altered)
    else:
        assert decode(altered).torn == len(made[2]) - 1


@pytest.mark.parametrize(
    ("order", "line"),
    [([0, 2], 2), ([1, 0], 1), ([0, 0, 1], 2), ([1, 2], 1), ([0, 1, 1], 3)],
    ids=["removed", "swapped", "repeated", "first removed", "last repeated"],
)
def test_a_missing_moved_or_repeated_line_is_named(order: list[int], line: int) -> None:
    made = lines(3)
    with pytest.raises(JournalDamaged, match=f"^line {line} "):
        decode(b"".join(made[index] for index in order))


def test_a_run_of_zeros_left_by_a_crash_is_a_torn_end() -> None:
    made = lines(2)
    assert decode(made[0] + b"\0" * 400).torn == 400


def test_a_torn_end_is_cut_off_when_the_run_goes_on(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.append(EntryKind.OPENED, data={"pair_digest": "d"})
    first.append(EntryKind.BEGUN, "dns", data={"was": "boston"})
    first.close()
    with first.file.path.open("ab") as file:
        file.write(b'[99,"0123')
    again = journal.reopen(first.file, machine="dallas", epoch=7, clock=Clock())
    again.append(EntryKind.DONE, "dns")
    run = load(first.file)
    assert run is not None
    assert (run.torn, [entry.kind for entry in run.entries]) == (0, [EntryKind.OPENED, EntryKind.BEGUN, EntryKind.DONE])


def test_secrets_are_masked_in_words_in_every_spelling(tmp_path: Path) -> None:
    written = opened(tmp_path, "p&ss wörd/+", 'quo"te')
    written.append(EntryKind.FAILED, "carrier", 'GET ?api_password=p%26ss+w%C3%B6rd%2F%2B said p&ss wörd/+ and quo"te')
    text = written.file.path.read_text(encoding="utf-8")
    assert text.count("***") == 3
    assert "rd" not in text.split('"words":')[1].split('"wall"')[0].replace("password", "")


def test_files_are_for_root_alone_and_count_up(tmp_path: Path) -> None:
    where = tmp_path / "journal"
    assert [opened(where).file.number for _ in range(3)] == [1, 2, 3]
    assert where.stat().st_mode & 0o777 == 0o700
    assert all(file.path.stat().st_mode & 0o777 == 0o600 for file in journal.files(where))


def test_a_full_disk_leaves_whole_lines_and_says_what_to_do(tmp_path: Path) -> None:
    written = opened(tmp_path)
    written.append(EntryKind.OPENED)
    size = written.file.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
    try:
        with pytest.raises(JournalUnwritable, match="type the same command again"):
            written.append(EntryKind.BEGUN, "dns")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert written.file.path.stat().st_size == size
    written.append(EntryKind.BEGUN, "dns")
    assert len(journal.read(written.file).entries) == 2


def test_a_damaged_journal_is_refused_with_what_to_type(tmp_path: Path) -> None:
    written = opened(tmp_path)
    written.append(EntryKind.OPENED, words="peer is down")
    path = written.file.path
    path.write_bytes(path.read_bytes().replace(b"down", b"dawn"))
    with pytest.raises(JournalDamaged, match=r"line 1 was altered.*mv .*000001-promote"):
        load(written.file)


def test_what_was_saved_first_stays_until_it_is_undone() -> None:
    def entry(number: int, kind: EntryKind, was: str = "") -> JournalEntry:
        return JournalEntry(number, kind, "dns", "", STAMP, {"was": was} if was else {})

    told = [entry(1, EntryKind.BEGUN, "boston"), entry(2, EntryKind.BEGUN, "half"), entry(3, EntryKind.DONE)]
    run = fold(1, "promote", told)
    assert run is not None
    assert (run.steps[0].saved, run.steps[0].touched) == ({"was": "boston"}, True)
    run = fold(
        1,
        "promote",
        [*told, entry(4, EntryKind.UNDOING), entry(5, EntryKind.UNDONE), entry(6, EntryKind.BEGUN, "later")],
    )
    assert run is not None
    assert (run.steps[0].saved, run.steps[0].progress, run.undoing) == ({"was": "later"}, StepState.BEGUN, True)


def test_an_empty_file_is_a_run_that_never_was(tmp_path: Path) -> None:
    assert load(opened(tmp_path).file) is None


def test_each_line_is_on_disk_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    written = opened(tmp_path)
    for _ in range(3):
        written.append(EntryKind.BEGUN, "dns")
        assert synced[-1] == written.file.path.stat().st_size


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("done", RunOutcome.DONE),
        ("degraded: carrier-acme not complete", RunOutcome.DEGRADED),
        ("degraded: run 7 is not gone on with, because pair.toml is another one", RunOutcome.DEGRADED),
        ("undone: the peer serves: REFUSED", RunOutcome.UNDONE),
        ("nothing was touched: SIGTERM came", RunOutcome.UNTOUCHED),
        ("not proven", RunOutcome.NOT_PROVEN),
        ("run 7 stopped before it touched anything", RunOutcome.OTHER),
        ("", RunOutcome.OTHER),
    ],
)
def test_how_a_run_ended_is_read_from_what_this_and_earlier_versions_wrote(words: str, outcome: RunOutcome) -> None:
    run = fold(
        1,
        "promote",
        [JournalEntry(1, EntryKind.OPENED, "", "", STAMP), JournalEntry(2, EntryKind.CLOSED, "", words, STAMP)],
    )
    assert run is not None
    assert (run.closed, run.outcome) == (True, outcome)


@pytest.mark.parametrize("outcome", RunOutcome)
def test_how_a_run_ended_is_read_as_it_was_written(outcome: RunOutcome) -> None:
    assert RunOutcome.of(outcome.sentence()) is RunOutcome.of(outcome.sentence("dns: not complete")) is outcome
