"""Readers of the machine: files, locks, log lines."""

from __future__ import annotations

from typing import Final

from host import file_reading, lock, printable
from tests.fuzz.readers.reader import RIGHT, Reader, filed, text

READERS: Final[tuple[Reader, ...]] = (
    Reader(
        "JSON of a file", file_reading, filed("x", lambda at: file_reading.read_json(at / "x")), (RIGHT,), (ValueError,)
    ),
    Reader("a lock's note", lock, lambda data, at: lock._described(data, [1], at), (b'{"pid": 1, "since": 0}',)),
    Reader("text for a log line", printable, text(printable.printable), (b"a\x1b[2Jb",)),
)
