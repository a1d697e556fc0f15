"""Where Asterisk's configuration is read from: this machine's disk, or what is about to be put there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from host.reading import read_file

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a configuration file; a longer one counts as missing."""
_MOST_PATTERNS: Final = 4096
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
                    matches = sorted(str(path) for path in Path("/").glob(one.lstrip("/")))
                else:
                    shown = Path(self.over(directory or "/"))
                    matches = sorted(f"{directory}/{path.name}" for path in shown.glob(last) if path.name[0] != ".")
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


def _braces(pattern: str) -> Iterator[str]:
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None or "," not in found[1]:
        yield pattern
        return
    before, after = pattern[: found.start()], pattern[found.end() :]
    for choice in found[1].split(","):
        yield from _braces(before + choice + after)
