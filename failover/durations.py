"""Durations and moments as people say them."""

from __future__ import annotations

from datetime import datetime, timedelta


def lasting(seconds: float) -> str:
    """ "41 s", "2 min", "3 h 5 min", "2 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"


def at_clock(now: datetime, in_seconds: float) -> str:
    """The time of day, to the second, so many seconds after `now`."""
    return f"{now + timedelta(seconds=in_seconds):%H:%M:%S}"
