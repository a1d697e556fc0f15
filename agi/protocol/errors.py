"""What can go wrong between a script and Asterisk; one tree, one line each."""

from __future__ import annotations

from host.errors import HotstandbyError


class AgiError(HotstandbyError):
    """Root of what the AGI room raises on purpose."""


class CommandRefused(AgiError):
    """We did not send a command: Asterisk would have cut it, or read it as something else."""


class EnvironmentRefused(AgiError):
    """What arrived is no AGI environment: too long, or ended early."""


class LateError(AgiError):
    """The session's deadline passed; the call goes on in the dialplan without this script."""


class ScriptBroken(AgiError):
    """A script cannot be loaded; it alone is out of service."""


class MustWait(BaseException):
    """The script has to wait for something, and the thread that it runs in waits for nothing.

    Not an Exception, so that a script's own `except Exception` does not catch it.
    See agi.protocol.call.Call.before_waiting.
    """
