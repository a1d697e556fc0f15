"""What can go wrong while this machine's localized directory is rendered, checked or activated."""

from __future__ import annotations

from host.errors import HotstandbyError, UnsafeError, UsageError
from host.exits import Exit


class LocalizedError(HotstandbyError):
    """Root of this room: rendering, checking or activating failed, and the active generation is untouched."""


class NotRenderable(LocalizedError, UsageError):
    """A template, a value or a secret does not render; nothing was written."""


class SecretsUnusable(NotRenderable):
    """Secrets of a role are missing, empty or open; with everything that is wrong with them.

    Attributes:
        reason: that alone, without what it means where rendering was asked for.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}\nNothing was rendered; the active generation is untouched.")
        self.reason = reason


class NotActivatable(LocalizedError, UsageError):
    """What was rendered, or this machine's own configuration, is not what Asterisk or BIND would accept."""


class NotWritable(LocalizedError):
    """The localized directory cannot be written: a full or read-only disk, permissions, a file in the way."""


class NoRight(UnsafeError):
    """Primary without a right to be it; the message carries the evidence."""


class AsteriskUnreachable(LocalizedError):
    """Asterisk is not running, does not answer by the deadline, or does not have the module."""


class ActivationIncomplete(LocalizedError):
    """The swap was made, and Asterisk could not be made to follow; the same command completes it."""

    exit_code = Exit.HALFWAY


def reason(error: HotstandbyError) -> str:
    """What went wrong, without what that means where rendering was asked for; for whoever goes on without it."""
    return error.reason if isinstance(error, SecretsUnusable) else str(error)
