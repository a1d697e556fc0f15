"""What goes wrong between us and Domino."""

from __future__ import annotations

from host.errors import HotstandbyError


class DominoError(HotstandbyError):
    """Domino was asked and gave no data. Never means that there is nothing under the key."""


class DominoUnreachable(DominoError):
    """Nobody answered, or the connection broke: no address for the alias, refused, reset, half a body."""


class DominoLate(DominoError):
    """The deadline over connecting, headers and body passed."""


class DominoFailing(DominoError):
    """Domino itself says that it cannot now (5xx)."""


class DominoRefused(DominoError):
    """Domino does not let this user in."""


class DominoNotData(DominoError):
    """An answer that is not the data asked for: a login or error page, a redirect, broken JSON or XML."""


SERVER_FAILURES = (DominoUnreachable, DominoLate, DominoFailing)
"""Errors that say something about the server and not about one question: a breaker counts these."""
