"""One line of the journal: a value, its bytes, and what is wrong with bytes that are not one.

A line is a JSON array `[length, "checksum", {record}]` and a newline. The length is the record's in bytes; the
checksum is SHA-256 over the line before's checksum and the record, shortened to 32 hexadecimal digits, so that a
line altered, removed, repeated or moved breaks the chain at its place. No I/O here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from failover.errors import FailoverError
from host.exits import Exit
from host.file_reading import MISREAD, from_json

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What a journal can keep."""

FIRST_CHECKSUM: Final = "0" * 32
"""What stands for the checksum before the first line."""

_HEAD: Final = re.compile(rb'\[(\d{1,9}),"([0-9a-f]{32})",')
_LINE: Final = re.compile(rb'\[(\d{1,9}),"([0-9a-f]{32})",(\{.*\})\]', re.DOTALL)


class JournalDamaged(FailoverError):
    """A line of the journal is not what was written; nothing is decided from it."""

    exit_code = Exit.REFUSED


class EntryKind(Enum):
    """What a line tells."""

    OPENED = "opened"
    """The run began: what was asked, by whom, on which evidence."""
    RESUMED = "resumed"
    """A later command goes on with this run."""
    BEGUN = "begun"
    """The step is about to touch something; `saved` is what undo needs."""
    DONE = "done"
    """The step was carried out, and is not yet proven."""
    VERIFIED = "verified"
    """The step's effect was seen from outside; `words` is the proof."""
    OPEN = "open"
    """The step waits for a person or a retry; the run went on without it."""
    FAILED = "failed"
    """The step, or its undo, failed; `words` says how."""
    UNDOING = "undoing"
    """What the step did is about to be taken back."""
    UNDONE = "undone"
    """It was taken back."""
    CONFIRMED = "confirmed"
    """A person said that an open step is done."""
    HOOK = "hook"
    """A program of the admin's ran before or after the step."""
    CLOSED = "closed"
    """The run is over; nothing of it is to be continued."""


class RunOutcome(Enum):
    """How a run ended. A closing line's words begin with the value, and with a colon where a reason follows."""

    DONE = "done"
    """Every step was proven."""
    DEGRADED = "degraded"
    """This machine serves, and something is missing; the same command completes it."""
    UNDONE = "undone"
    """Everything was taken back."""
    UNTOUCHED = "nothing was touched"
    NOT_PROVEN = "not proven"
    """A demotion that was carried out, and not seen to hold."""
    OTHER = "closed"
    """An earlier version said it in other words."""

    def sentence(self, why: str = "") -> str:
        """The words of a closing line."""
        return f"{self.value}: {why}" if why else self.value

    @classmethod
    def of(cls, words: str) -> RunOutcome:
        """What the words of a closing line say."""
        word = words.partition(":")[0]
        return next((outcome for outcome in cls if outcome.value == word), cls.OTHER)


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and where a line was written.

    Attributes:
        wall: UTC, ISO 8601 with milliseconds; for people, never compared by a rule.
        boottime: seconds on CLOCK_BOOTTIME; comparable within one boot.
        boot_id: which boot.
        machine: name in pair.toml.
        epoch: number of the promotion, counted over both machines.
    """

    wall: str
    boottime: float
    boot_id: str
    machine: str
    epoch: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line.

    Attributes:
        number: 1 for the first line.
        kind: what it tells.
        step: which step, or empty for the run itself.
        words: evidence or reason, one sentence, secrets masked.
        stamp: when and where.
        data: `saved` of a begun step, or the facts that a run was opened with.
    """

    number: int
    kind: EntryKind
    step: str
    words: str
    stamp: Stamp
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalLines:
    """The whole lines of a journal.

    Attributes:
        entries: in order.
        chain: checksum of the last, for the line to come.
        size: bytes of the whole lines.
        torn: bytes after them: a line that a crash cut short. What it announced had not begun.
    """

    entries: tuple[JournalEntry, ...]
    chain: str
    size: int
    torn: int


def encode(entry: JournalEntry, chain: str) -> tuple[bytes, str]:
    """The line's bytes with its newline, and the checksum that the next line builds on.

    Raises:
        ValueError: `data` holds what JSON cannot.
    """
    record = json.dumps(
        {
            "n": entry.number,
            "kind": entry.kind.value,
            "step": entry.step,
            "words": entry.words,
            "wall": entry.stamp.wall,
            "boottime": entry.stamp.boottime,
            "boot_id": entry.stamp.boot_id,
            "machine": entry.stamp.machine,
            "epoch": entry.stamp.epoch,
            "data": entry.data,
        },
        ensure_ascii=True,
        allow_nan=False,
        separators=(",", ":"),
    ).encode("ascii")
    checksum = _checksum(chain, record)
    return b'[%d,"%s",%s]\n' % (len(record), checksum.encode("ascii"), record), checksum


def decode(data: bytes) -> JournalLines:
    """The lines of a journal's bytes.

    Bytes after the last newline are a torn line: a crash, reported and dropped. Anything else that does not fit is
    refused, because a step that was begun and is no longer told would never be undone. So is a whole line whose
    newline has become another byte: a crash leaves less than a line, never more.

    Raises:
        JournalDamaged: with the number of the line and what is wrong with it.
    """
    *whole, rest = data.split(b"\n")
    chain = FIRST_CHECKSUM
    entries: list[JournalEntry] = []
    for number, line in enumerate(whole, start=1):
        entry, chain = _decoded(line, number, chain)
        entries.append(entry)
    _cut_short(rest, len(whole) + 1, chain)
    return JournalLines(tuple(entries), chain, len(data) - len(rest), len(rest))


def _cut_short(rest: bytes, number: int, chain: str) -> None:
    """Whether what stands after the last newline is less than a line.

    Raises:
        JournalDamaged
    """
    head = _HEAD.match(rest)
    if head is None:
        return
    record, after = rest[head.end() :][: int(head[1])], rest[head.end() + int(head[1]) :]
    if len(after) > 1 and _checksum(chain, record) == head[2].decode("ascii"):
        raise JournalDamaged(f"line {number} is whole, and its end was altered")


def _decoded(line: bytes, number: int, chain: str) -> tuple[JournalEntry, str]:
    found = _LINE.fullmatch(line)
    if not found:
        raise JournalDamaged(f"line {number} is not a line of a journal")
    length, checksum, record = int(found[1]), found[2].decode("ascii"), found[3]
    if length != len(record):
        raise JournalDamaged(f"line {number} has {len(record)} bytes where {length} were written")
    if _checksum(chain, record) != checksum:
        raise JournalDamaged(f"line {number} was altered, or a line before it is missing")
    try:
        raw = from_json(record)
        stamp = Stamp(
            wall=str(raw["wall"]),
            boottime=float(raw["boottime"]),
            boot_id=str(raw["boot_id"]),
            machine=str(raw["machine"]),
            epoch=int(raw["epoch"]),
        )
        entry = JournalEntry(
            int(raw["n"]), EntryKind(raw["kind"]), str(raw["step"]), str(raw["words"]), stamp, dict(raw["data"])
        )
    except MISREAD as error:
        raise JournalDamaged(f"line {number} was written by another version ({type(error).__name__})") from None
    if entry.number != number:
        raise JournalDamaged(f"line {number} says that it is line {entry.number}")
    return entry, checksum


def _checksum(chain: str, record: bytes) -> str:
    return hashlib.sha256(chain.encode("ascii") + record).hexdigest()[:32]
