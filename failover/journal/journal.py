"""The journal: one append-only file a run, on disk before anything is touched.

Each line is written by one write(2) and made durable by fsync before `append` returns; a new file's name is made
durable with its directory. A crash can only cut the last line short, and what that line announced had not begun.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from failover.errors import FailoverError
from failover.journal.entry import (
    FIRST_CHECKSUM,
    EntryKind,
    JournalDamaged,
    JournalEntry,
    JournalLines,
    Json,
    RunOutcome,
    Stamp,
    decode,
    encode,
)
from failover.journal.mask import Mask
from host import clock
from host.atomic import fsync_directory, own_directory
from host.file_reading import read_file
from host.places import Places

LONGEST: Final = 16 * 1024 * 1024
"""Bytes; a run of 5,000 trunks writes about 2 MiB."""

_NAME: Final = re.compile(r"(\d{6})-([a-z]+)\.journal")


class JournalUnwritable(FailoverError):
    """A line could not be made durable, so what it announces must not be done."""


class NoSuchRun(FailoverError):
    """There is no run of that number."""


class Clock(Protocol):
    """What stamps a line; tests give their own."""

    def wall(self) -> str:
        """UTC, ISO 8601."""
        ...

    def boottime(self) -> float:
        """Seconds since boot."""
        ...

    def boot_id(self) -> str:
        """Which boot."""
        ...


class SystemClock:
    """This machine's clocks."""

    def wall(self) -> str:
        """UTC with milliseconds."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")

    def boottime(self) -> float:
        """CLOCK_BOOTTIME, to the microsecond."""
        return round(clock.boottime(), 6)

    def boot_id(self) -> str:
        """The kernel's."""
        return clock.boot_id()


@dataclass(frozen=True, slots=True)
class RunFile:
    """Where a run is kept.

    Attributes:
        number: counts up on this machine.
        command: promote, demote or switchover.
        path: its file.
    """

    number: int
    command: str
    path: Path


class Journal:
    """The file of one run, open for appending. One process writes it, under the failover lock; its steps may run side
    by side, and their lines come one after the other."""

    def __init__(
        self, file: RunFile, lines: JournalLines, *, machine: str, epoch: int, mask: Mask, clock: Clock
    ) -> None:
        """Opens an existing file after its whole lines; `create` and `reopen` are the ways here.

        Raises:
            JournalUnwritable
        """
        self.file = file
        self.machine = machine
        self.epoch = epoch
        self._mask = mask
        self._clock = clock
        self._next = len(lines.entries) + 1
        self._chain = lines.chain
        self._size = lines.size
        self._broken = ""
        self._appending = threading.Lock()
        try:
            self._descriptor = os.open(file.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            if lines.torn:
                os.ftruncate(self._descriptor, lines.size)
                os.fsync(self._descriptor)
        except OSError as error:
            raise self._unwritable(error) from None

    def append(
        self, kind: EntryKind, step: str = "", words: str = "", data: Mapping[str, Json] | None = None
    ) -> JournalEntry:
        """Writes one line and returns when it is on the disk.

        Args:
            kind, step, words: as in Entry; words are masked here.
            data: kept as it is, because undo needs it unaltered: never a secret.

        Raises:
            JournalUnwritable: nothing counts as written, and no further line is taken after a failed fsync.
        """
        with self._appending:
            return self._append(kind, step, words, data or {})

    def _append(self, kind: EntryKind, step: str, words: str, data: Mapping[str, Json]) -> JournalEntry:
        if self._broken:
            raise JournalUnwritable(self._broken)
        stamp = Stamp(
            self._clock.wall(), self._clock.boottime(), self._clock.boot_id(), machine=self.machine, epoch=self.epoch
        )
        entry = JournalEntry(self._next, kind, step, self._mask(words), stamp, data)
        line, chain = encode(entry, self._chain)
        try:
            _write_whole(self._descriptor, line)
        except OSError as error:
            # Half a line must not be followed by a whole one.
            self._cut_back()
            raise self._unwritable(error) from None
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            # After a failed fsync the kernel may drop the pages and report success next time (fsync(2), EIO).
            self._broken = str(self._unwritable(error))
            raise self._unwritable(error) from None
        self._next += 1
        self._chain = chain
        self._size += len(line)
        return entry

    def end_run(self, outcome: RunOutcome, why: str = "") -> JournalEntry:
        """Writes the line that closes the run; arguments and errors as `append`'s.

        Args:
            why: what is missing, or the reason; empty where the outcome says it all.
        """
        return self.append(EntryKind.CLOSED, words=outcome.sentence(why))

    def close(self) -> None:
        """Gives the file back; the run stays as open or closed as its lines say."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._broken = str(self._unwritable(error))

    def _unwritable(self, error: OSError) -> JournalUnwritable:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk is full. Make room on the file system of {self.file.path.parent}"
        else:
            why = f"{error.strerror}. See to {self.file.path.parent}"
        return JournalUnwritable(
            f"The journal {self.file.path} cannot be written: {why}, then type the same command again. "
            "Nothing is touched that the journal does not know of."
        )


def directory(places: Places) -> Path:
    """Where the journals of this machine are."""
    return places.state / "journal"


def create(
    where: Path, command: str, *, machine: str, epoch: int, mask: Mask | None = None, clock: Clock | None = None
) -> Journal:
    """A new, empty run, numbered after the newest.

    Args:
        where: directory of the journals; made if missing.
        command: promote, demote or switchover.

    Raises:
        JournalUnwritable
    """
    number = max((file.number for file in files(where)), default=0) + 1
    file = RunFile(number, command, where / f"{number:06d}-{command}.journal")
    try:
        own_directory(where.parent)
        own_directory(where, 0o700)
        descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fsync_directory(where)
        fsync_directory(where.parent)
    except OSError as error:
        raise JournalUnwritable(
            f"A journal cannot be begun in {where}: {error.strerror}. See to that directory and its disk, "
            "then type the same command again. Nothing was touched."
        ) from None
    nothing = JournalLines((), FIRST_CHECKSUM, 0, 0)
    return Journal(file, nothing, machine=machine, epoch=epoch, mask=mask or Mask(), clock=clock or SystemClock())


def reopen(file: RunFile, *, machine: str, epoch: int, mask: Mask | None = None, clock: Clock | None = None) -> Journal:
    """An existing run, to go on with; a torn last line is cut off.

    Raises:
        JournalDamaged, JournalUnwritable
    """
    lines = read(file)
    return Journal(file, lines, machine=machine, epoch=epoch, mask=mask or Mask(), clock=clock or SystemClock())


def files(where: Path) -> list[RunFile]:
    """The runs kept in a directory, oldest first."""
    try:
        names = sorted(path.name for path in where.iterdir())
    except FileNotFoundError:
        return []
    found = [match for match in map(_NAME.fullmatch, names) if match]
    return [RunFile(int(match[1]), match[2], where / match[0]) for match in found]


def numbered(where: Path, number: int) -> RunFile:
    """The run of that number.

    Raises:
        NoSuchRun
    """
    for file in files(where):
        if file.number == number:
            return file
    raise NoSuchRun(f"There is no run {number} in {where}. See which there are with: failover history")


def read(file: RunFile) -> JournalLines:
    """The lines of a run.

    Raises:
        JournalDamaged: in words that say which line, and what to type.
    """
    return decode_lines(file, contents(file))


def contents(file: RunFile) -> bytes:
    """What the file of a run holds.

    Raises:
        JournalDamaged: it cannot be read.
    """
    try:
        return read_file(file.path, LONGEST)
    except OSError as error:
        raise JournalDamaged(f"The journal {file.path} cannot be read: {error.strerror}. Read it as root.") from None


def decode_lines(file: RunFile, data: bytes) -> JournalLines:
    """The lines that the file of a run held, from its bytes.

    Raises:
        JournalDamaged: in words that say which line, and what to type.
    """
    try:
        return decode(data)
    except JournalDamaged as error:
        raise JournalDamaged(
            f"The journal {file.path} is damaged: {error}. It is not continued, because what was done can no longer "
            f"be told from it. Look at both machines with: failover status; then put it aside with: "
            f"mv {file.path} {file.path}.damaged"
        ) from None


def _write_whole(descriptor: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(descriptor, left) :]
