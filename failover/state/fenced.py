"""run/fenced: while it is there, this machine's Asterisk does not start.

A demotion sets it first and lifts it when a start could register nothing any more: `current` points to a standby
generation. So it stands exactly as long as a start would be dangerous. The unit's drop-in asks for it
(deploy/asterisk.service.d/hotstandby.conf).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from host.atomic import own_directory
from host.file_reading import MISREAD, read_json
from host.places import Places
from host.printable import printable


@dataclass(frozen=True, slots=True)
class StartFence:
    """Why Asterisk must not start.

    Attributes:
        reason: for people.
        since: UTC, ISO 8601.
    """

    reason: str
    since: str


def path(places: Places) -> Path:
    """The file; its being there is what counts, not what stands in it."""
    return places.run / "fenced"


def fence(places: Places, reason: str) -> None:
    """Keeps Asterisk from starting.

    Raises:
        OSError: not even an empty file could be made.
    """
    own_directory(places.run)
    # Made empty before anything is written into it: a full disk takes an empty file when it takes no byte.
    path(places).touch(mode=0o644)
    path(places).chmod(0o644)
    said = json.dumps(asdict(StartFence(reason, datetime.now(UTC).isoformat(timespec="seconds"))))
    try:
        path(places).write_text(said, encoding="utf-8")
    except OSError:
        return


def lift(places: Places) -> None:
    """Lets Asterisk start again.

    Raises:
        OSError
    """
    path(places).unlink(missing_ok=True)


def read_fence(places: Places) -> StartFence | None:
    """Why Asterisk must not start; None when it may."""
    if not path(places).exists():
        return None
    try:
        found = read_json(path(places))
        return StartFence(printable(str(found["reason"])), printable(str(found["since"]), 40))
    except (OSError, *MISREAD):
        return StartFence("it is not written why", "")
