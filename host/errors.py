"""The root of everything that hotstandby raises on purpose."""

from __future__ import annotations

from host.exits import Exit


class HotstandbyError(Exception):
    """Something foreseeable went wrong. The message says what happened, to what, why, and what to do.

    Commands print the message alone, never a traceback, and end with `exit_code`.
    """

    exit_code: Exit = Exit.FAILED


class UnsafeError(HotstandbyError):
    """Refused, because doing it could harm; the message carries the evidence."""

    exit_code = Exit.REFUSED


class UsageError(HotstandbyError):
    """Wrong usage or configuration."""

    exit_code = Exit.USAGE
