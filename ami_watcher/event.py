"""What happened: the one shape in which a change is followed, remembered, shown and told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What a change is of. The words stand in the database, the API, the page, hooks and `history --kind`."""

    REGISTRATION = "registration"
    CONTACT = "contact"
    LINK = "link"
    ROLE = "role"
    REREGISTRATION = "kick"
    """Asterisk was told to try again."""


class LinkState(StrEnum):
    """State of the connection to Asterisk: before and after of a LINK event."""

    CONNECTING = "connecting"
    LOGGED_IN = "logged in"
    """Nothing has been read yet."""
    SYNCED = "synced"
    """Lists were read over this connection; what is shown is true as of the last poll."""
    LOST = "lost"
    """It ended or could not be made; it is tried again by itself."""
    REFUSED = "refused"
    """Asterisk does not let us in, or lets us see nothing: somebody has to change its configuration."""


@dataclass(frozen=True, slots=True)
class WatcherEvent:
    """One change.

    Attributes:
        at: unix seconds.
        kind: what it is of.
        subject: the trunk, the phone, or the machine (link, role).
        before: what was, None for something new.
        after: what is, None for something that ended; of a re-registration, what Asterisk was told to do.
        cause: why, in words, where it is known.
    """

    at: float
    kind: EventKind
    subject: str
    before: str | None
    after: str | None
    cause: str | None = None
