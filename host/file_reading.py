"""Files that somebody else may have written: read whole, by their kind and size, so that none of them holds us up."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, Final

LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a file, where its reader names no other bound; our own are a few thousand."""
_PIECE: Final = 65536

MISREAD: Final = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError)
"""What taking a foreign document apart can raise: a field that is missing, of another kind, or a number that is
infinite (JSON's 1e999 is one to Python, and int() of it is an OverflowError)."""


def read_file(path: Path, most_bytes: int = LONGEST) -> bytes:
    """All bytes of a regular file.

    A FIFO is not waited for and a device is not read; neither is a file that is longer than its reader expects.

    Raises:
        OSError: EFBIG where it is longer than `most_bytes`, EISDIR or EINVAL where it is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        data = bytearray()
        # In pieces: one read of the whole bound would take that much memory for a file of a few bytes.
        while len(data) <= most_bytes and (piece := os.read(descriptor, min(_PIECE, most_bytes + 1 - len(data)))):
            data += piece
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it is longer than {most_bytes} bytes", str(path))
    return bytes(data)


def why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Why a text file could not be read, for the middle of a sentence."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8"


def from_json(data: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: also where brackets nest deeper than Python reads, which json calls a RecursionError.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("its brackets nest too deep") from None


def read_json(path: Path, most_bytes: int = LONGEST) -> Any:
    """What a JSON file says.

    Raises:
        OSError: as `read_file`.
        ValueError: it is not JSON.
    """
    return from_json(read_file(path, most_bytes))
