"""What is wrong with this machine's configuration, and whose file is whose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Severity(Enum):
    """What a problem stops."""

    BLOCKER = "stops"
    """Asterisk would not read what is activated; so nothing is activated, and --check fails."""
    ERROR = "error"
    """It must be mended, and --check fails. At three in the morning it stops nothing: Asterisk's lists show what it
    comes to."""
    WARNING = "warning"
    """Worth mending."""

    @property
    def word(self) -> str:
        """What stands before such a problem."""
        return "warning" if self is Severity.WARNING else "error"


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something that is wrong with this machine's configuration, and what to type."""

    weight: Severity
    text: str

    def __str__(self) -> str:
        return self.text


def same_file(included: str, wanted: Path) -> bool:
    """Whether an include reaches a file below `current`, by its own name or by a symbolic link to it."""
    if str(wanted) in ways(included):
        return True
    try:
        return wanted.exists() and Path(included).samefile(wanted)
    except OSError:
        return False


def below(path: str, current: Path) -> bool:
    """Whether a file lies below `current`, by its own name or as what a symbolic link points to."""
    return any(way.startswith(f"{current}/") for way in ways(path))


def ways(path: str) -> Iterator[str]:
    """A path, and what it points to while it is a symbolic link; as text, since `current` may not be there yet."""
    for _ in range(10):
        path = os.path.normpath(path)
        yield path
        try:
            target = str(Path(path).readlink())
        except OSError:
            return
        path = os.path.join(os.path.dirname(path), target)  # noqa: PTH118, PTH120 - text, see above
