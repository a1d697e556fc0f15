"""Durations and moments as people say them: one rule for every command, and for the page, whose script says it too."""

from __future__ import annotations

import math
from datetime import datetime, timedelta


def lasting(seconds: float) -> str:
    """ "41 s", "12 min", "3 h 5 min", "9 days"; two units of a kind at least, so that 100 s is not "1 min".

    Part of a unit that is not over does not count; what is below 0 is 0.
    """
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    if whole < 172_800:
        hours, minutes = divmod(whole // 60, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{whole // 86_400} days"


def at_most(seconds: float) -> str:
    """What is left of a limit: as `lasting`, minutes rounded up, so that it is never told too short."""
    return lasting(seconds if seconds < 120 else math.ceil(seconds / 60) * 60)


def at_clock(now: datetime, in_seconds: float) -> str:
    """The time of day, to the second, so many seconds after `now`."""
    return f"{now + timedelta(seconds=in_seconds):%H:%M:%S}"
