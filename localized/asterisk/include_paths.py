"""Whether an included path is one of ours: by its own name, or by a symbolic link to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


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
