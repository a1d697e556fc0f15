"""What can go wrong between us and an Asterisk Manager Interface, each with the words that help."""

from __future__ import annotations

from host.errors import HotstandbyError


class AmiError(HotstandbyError):
    """Root of everything that this room raises on purpose."""


class AmiUnreachable(AmiError):
    """No connection: nothing listens there, no such name, no route, or TLS was not agreed."""


class NotAmi(AmiError):
    """Something answers at that port, and it does not speak AMI."""


class LoginRefused(AmiError):
    """Asterisk does not know the user, or the secret is wrong, or the address is not allowed."""


class LoginInUse(LoginRefused):
    """The user is logged in already, and manager.conf allows no second login (allowmultiplelogin = no)."""


class PrivilegeMissing(AmiError):
    """The user is logged in and may not do what we need; the message names the line of manager.conf."""


class ActionRefused(AmiError):
    """Asterisk answered an action with an error.

    Attributes:
        action: its name.
        said: Asterisk's own words.
    """

    def __init__(self, action: str, said: str, message: str) -> None:
        super().__init__(message)
        self.action = action
        self.said = said


class ListIncomplete(ActionRefused):
    """Asterisk answered a list action, and not with the whole list: nothing may be concluded from it."""


class ActionLate(AmiError):
    """Asterisk took an action and did not answer before its deadline; whether it did it is not known."""


class LinkLost(AmiError):
    """The connection ended. An action that was under way may or may not have been done; it is not sent again."""


class MessageTooLong(AmiError):
    """Asterisk sent a message that is longer than we keep."""


class Unsendable(AmiError, ValueError):
    """An action that cannot be written as AMI lines: it holds a line break, or a line would be cut."""
