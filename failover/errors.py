"""What a promotion raises on purpose."""

from __future__ import annotations

from host.errors import HotstandbyError, UnsafeError
from host.exits import Exit


class FailoverError(HotstandbyError):
    """Root of this room's errors."""


class NotProven(FailoverError):
    """A step was carried out, and looking from outside did not show its effect before the deadline."""


class Incomplete(FailoverError):
    """A step is not complete and need not hold up the others: it waits for a person, or is retried."""

    exit_code = Exit.DEGRADED
    headline = ""
    """What whoever reads the end of the run has to know before anything else; empty for nothing."""


class WaitsForPerson(Incomplete):
    """Only a person can do it; the message says whom to call, and what to say."""


class StoppedHalfway(FailoverError):
    """The run stopped between two steps; its journal is open, and the same command goes on from there."""

    exit_code = Exit.HALFWAY


class Refused(FailoverError, UnsafeError):
    """Not done, because it could harm; the message holds the evidence and what to type."""

    exit_code = Exit.REFUSED
