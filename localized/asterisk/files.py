"""Where Asterisk's configuration is read from: this machine's disk, or what is about to be put there."""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from host.file_reading import read_file

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a configuration file; a longer one counts as missing."""
_MOST_PATTERNS: Final = 256
"""Patterns that braces make of one; each pair of braces doubles them."""


class Disk(Protocol):
    """Where files come from: this machine's disk, or what is about to be put there."""

    def glob(self, pattern: str) -> list[str]:
        """Paths that match, sorted; a pattern without magic matches itself whether it is there or not."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a regular file that the reader may read; None otherwise."""


@dataclass(frozen=True, slots=True)
class LocalDisk:
    """This machine's disk, with files laid over it that are about to be put there.

    Attributes:
        over: replaces a path by where its content lies now; the path itself where it is not laid over.
    """

    over: Callable[[str], str] = str

    def glob(self, pattern: str) -> list[str]:
        """See Disk."""
        found: list[str] = []
        for one in islice(_braces(pattern), _MOST_PATTERNS):
            if re.search(r"[*?\[]", one):
                directory, _, last = one.rpartition("/")
                if re.search(r"[*?\[]", directory):
                    matches = _matching(one)
                else:
                    names = _listed(self.over(directory or "/"))
                    matches = [f"{directory}/{name}" for name in names if fnmatch.fnmatchcase(name, last)]
                found.extend(matches)
            else:
                found.append(one)
        return found

    def read(self, path: str) -> bytes | None:
        """See Disk."""
        try:
            real = Path(self.over(path))
            return read_file(real, LONGEST)
        except (OSError, ValueError):
            return None


def _matching(pattern: str) -> list[str]:
    try:
        # As glob(3), two stars are one; pathlib refuses them within a word.
        return sorted(glob.glob(f"/{pattern.lstrip('/')}"))  # noqa: PTH207
    except ValueError:
        return []


def _listed(directory: str) -> list[str]:
    """What a directory shows to glob(3), sorted."""
    try:
        return sorted(entry.name for entry in Path(directory).iterdir() if entry.name[0] != ".")
    except (OSError, ValueError):
        return []


def _braces(pattern: str) -> Iterator[str]:
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None or "," not in found[1]:
        yield pattern
        return
    before, after = pattern[: found.start()], pattern[found.end() :]
    for choice in found[1].split(","):
        yield from _braces(before + choice + after)
