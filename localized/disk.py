"""Where Asterisk's configuration is read from: this machine's disk, or what is about to be put there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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
        for one in _braces(pattern):
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
            return real.read_bytes() if real.is_file() else None
        except (OSError, ValueError):
            return None


def _braces(pattern: str) -> list[str]:
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None or "," not in found[1]:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [one for choice in found[1].split(",") for one in _braces(before + choice + after)]
