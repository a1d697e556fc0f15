"""What our commands' exit codes mean; the same in every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit code of a command."""

    DONE = 0
    FAILED = 1
    """Failed, and nothing is left half done."""
    USAGE = 2
    """Wrong usage or configuration."""
    REFUSED = 3
    """Refused because it is unsafe; the evidence is printed."""
    HALFWAY = 4
    """Stopped half-way: the journal is open, the same command again completes it."""
    DEGRADED = 5
    """Done, but something that is not required is missing, is retried, and is named."""
