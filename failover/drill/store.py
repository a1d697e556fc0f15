"""The reports of drills, in the state directory: one JSON and one Markdown file each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from failover.errors import FailoverError
from host.atomic import own_directory, replace_file
from host.file_reading import read_json
from host.places import Places

_NAME: Final = re.compile(r"(\d{6})\.json")


class ReportUnwritable(FailoverError):
    """The drill is over, and its report could not be kept; what it found was printed."""


def directory(places: Places) -> Path:
    """Where they are."""
    return places.state / "drills"


def numbers(places: Places) -> list[int]:
    """Which there are, oldest first."""
    try:
        names = [path.name for path in directory(places).iterdir()]
    except OSError:
        return []
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def earlier(places: Places) -> list[dict[str, Any]]:
    """Their documents, oldest first; one that cannot be read is passed over."""
    found = []
    for number in numbers(places):
        try:
            document = read_json(directory(places) / f"{number:06d}.json")
        except (OSError, ValueError):
            continue
        if isinstance(document, dict):
            found.append(document)
    return found


def keep(places: Places, number: int, document: dict[str, Any], markdown: str) -> Path:
    """Writes both files; returns the Markdown one.

    Raises:
        ReportUnwritable
    """
    where = directory(places)
    try:
        own_directory(where.parent)
        own_directory(where, 0o750)
        replace_file(where / f"{number:06d}.json", json.dumps(document, indent=2).encode() + b"\n", mode=0o640)
        replace_file(where / f"{number:06d}.md", markdown.encode(), mode=0o640)
    except OSError as error:
        raise ReportUnwritable(
            f"The report of the drill could not be written to {where}: {error.strerror}. See: df -h {where.parent}"
        ) from None
    return where / f"{number:06d}.md"
