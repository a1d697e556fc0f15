"""What the last `failover ready` on this machine came to, kept for the peer, `status` and the watcher's metrics.

A file in the run directory, so that what was ready before a reboot is not taken for ready after it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from host.atomic import replace_file
from host.file_reading import read_file
from host.places import Places
from host.printable import printable

_LONGEST: Final = 200


class Readiness(BaseModel):
    """What it came to, and when."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    at: Annotated[float, Field(ge=0, le=1e11)]
    """Unix seconds."""
    exit: Annotated[int, Field(ge=0, le=5)]
    """Of the command: 0 ready, 5 it would end degraded or need a person, 1 not ready."""
    names: tuple[
        Annotated[str, StringConstraints(max_length=_LONGEST), AfterValidator(lambda text: printable(text, _LONGEST))],
        ...,
    ] = Field(default=(), max_length=200)
    """Checks of the registry that found something, the gravest first."""


def note_readiness(places: Places, exit_code: int, names: tuple[str, ...], now: float) -> None:
    """Keeps what `failover ready` came to at `now`, unix seconds; where that cannot be, nothing is kept."""
    kept = Readiness(at=now, exit=exit_code, names=tuple(name[:_LONGEST] for name in names[:200]))
    with contextlib.suppress(OSError):
        replace_file(_file(places), kept.model_dump_json().encode() + b"\n", mode=0o644)


def read_readiness(places: Places) -> Readiness | None:
    """What the last `failover ready` here came to; None where nobody looked since this machine started."""
    try:
        return Readiness.model_validate_json(read_file(_file(places), 256 * 1024))
    except (OSError, ValueError):
        return None


def _file(places: Places) -> Path:
    return places.run / "ready.json"
