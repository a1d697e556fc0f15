"""When the shared tree was last the same on both machines, as the sync itself wrote it down."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from failover.context import Context
from failover.probe_result import ProbeAnswer, ProbeResult
from host.durations import lasting
from host.file_reading import read_json

FILE: Final = "sync.json"
"""In the state directory: an object whose `ended` is the unix time at which the last complete sync ended."""


def read_sync_age(context: Context, now: datetime) -> tuple[ProbeResult, float | None]:
    """The evidence, and the age in seconds; None where it is not known."""
    file = context.places.state / FILE
    ended: object = None
    try:
        told = read_json(file)
        ended = told.get("ended") if isinstance(told, dict) else None
        words = f"{file} does not say when the last sync ended"
    except FileNotFoundError:
        words = "when the machines were last synced is not known"
    except (OSError, ValueError):
        words = f"{file} cannot be read, so when the machines were last synced is not known"
    if isinstance(ended, bool) or not isinstance(ended, int | float) or not 0 < ended < 1e11:
        return ProbeResult("sync", context.machine, str(file), ProbeAnswer.UNKNOWN, words, 0.0), None
    age = max(0.0, now.timestamp() - ended)
    return ProbeResult(
        "sync", context.machine, str(file), ProbeAnswer.YES, f"the last sync ended {lasting(age)} ago", 0.0
    ), age
