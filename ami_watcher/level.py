"""How a thing is, for colours and exit codes."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """How a thing is."""

    GOOD = "good"
    WARNING = "warning"
    """Watch it."""
    BAD = "bad"
    """Act."""
    UNKNOWN = "unknown"
    """Nobody can say."""
