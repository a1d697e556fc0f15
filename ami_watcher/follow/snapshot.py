"""What is known about one Asterisk at one moment, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ami_watcher.phones.contact import Contact
from ami_watcher.registrations.registration import Registration


class LinkState(Enum):
    """The connection to Asterisk."""

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
class Snapshot:
    """Everything that the watcher knows. Times are unix seconds.

    Attributes:
        machine: name in pair.toml.
        at: when it was put together.
        link: the connection.
        link_since: when it came to be so.
        link_reason: one sentence: why it is so, and what to do where something is to be done; "" where all is well.
        asterisk_version: such as "16.28.0~dfsg-0+deb11u4", "" before the first connection.
        modules: channels of which this Asterisk lists registrations: "sip", "iax2", "pjsip".
        role: "primary" or "standby", None while the machine has none.
        registrations: sorted by trunk.
        registrations_at: when the lists of registrations were last read, None before the first time.
        contacts: who is registered here; as of contacts_at.
        contacts_at: when the lists of contacts were last read, None before the first time.
    """

    machine: str
    at: float
    link: LinkState
    link_since: float
    link_reason: str
    asterisk_version: str
    modules: frozenset[str]
    role: str | None
    registrations: tuple[Registration, ...]
    registrations_at: float | None
    contacts: tuple[Contact, ...]
    contacts_at: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different now.

    Attributes:
        at: unix seconds.
        kind: "registration", "link", "kick", "role", or "contacts".
        subject: name of the trunk; of the machine for link and role; "contacts" where the set of contacts changed.
        before: the state that it was in, in the words of State and LinkState; "" for something new.
        after: the state that it is in now; "" for something that is no longer expected or listed.
            For a kick: what was done. For contacts: how many there are.
        cause: why, in words, or None where nothing was said.
    """

    at: float
    kind: str
    subject: str
    before: str
    after: str
    cause: str | None = None
