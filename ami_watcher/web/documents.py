"""What the API says, as values: one definition for the server, the commands, the page and the OpenAPI description.

Times are unix seconds; durations carry their unit in the name. A key may be added, none is renamed or removed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ami_watcher.event import EventKind, LinkState
from ami_watcher.level import Level
from ami_watcher.phones.contact import Reach
from ami_watcher.registrations.state_words import RegistrationState, is_held_here

StateWord = RegistrationState | Literal["standby", "unwatched"]
"""What a trunk is, or was in a stretch of time; unwatched: no watcher ran."""


class Document(BaseModel):
    """A value of the API. A reader passes over keys that it does not know: the daemon may be newer than the command."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LinkDocument(Document):
    """The connection to Asterisk."""

    state: LinkState = Field(description="synced is the only one in which anything else here is proven")
    level: Level
    sentence: str = Field(description="the state in words, with what to do where something is wrong")
    since: float = Field(description="unix seconds at which this state began")
    asterisk_version: str = Field(description="empty before the first connection")


class StretchDocument(Document):
    """One stretch of the last day."""

    start: float
    end: float
    state: StateWord


class RegistrationDocument(Document):
    """One outbound registration."""

    trunk: str
    channel: str
    host: str | None = Field(description="the registrar, where pair.toml knows the trunk")
    state: StateWord
    level: Level
    word: str = Field(description="the state as people read it")
    since: float | None = Field(description="unix seconds at which the state began")
    proof: float | None = Field(description="unix seconds at which a list last showed it")
    expiry_s: float | None
    cause: str | None
    required: bool
    strip: tuple[StretchDocument, ...] = Field(description="the last 24 hours, without gaps, oldest first")
    outages: int = Field(description="how often it did not hold in the last 24 hours")
    outage_s: float = Field(description="seconds, in all")

    @property
    def held_here(self) -> bool:
        """Whether this machine should hold it."""
        return is_held_here(self.state)


class RegistrationsDocument(Document):
    """All outbound registrations of one machine, and whether they are as they should be."""

    machine: str
    pair: str
    role: str | None
    at: float
    level: Level
    sentence: str = Field(description="all of it in one sentence")
    detail: str | None = Field(description="why, or what to do; null where there is nothing to add")
    link: LinkDocument
    registrations: tuple[RegistrationDocument, ...]
    overtaken: bool = Field(
        default=False, description="this machine serves although the other one was promoted later, as others tell"
    )


class ContactDocument(Document):
    """One phone or peer that is registered here."""

    channel: str
    name: str
    address: str
    reach: Reach
    rtt_ms: float | None
    user_agent: str | None
    expires_at: float | None
    dynamic: bool
    since: float | None = Field(description="unix seconds at which it was first seen at this address")


class MissingContactDocument(Document):
    """A phone that the other machine had and that is on none now."""

    name: str
    channel: str
    address: str
    user_agent: str | None
    last_seen: float
    expires_at: float | None = Field(description="it registers anew by then at the latest; null where it is not listed")


class ContactsDocument(Document):
    """Who is registered on this machine, and who has not come back from the other one."""

    machine: str
    at: float
    proof: float | None = Field(description="unix seconds of the list that this shows; null before the first")
    total: int
    contacts: tuple[ContactDocument, ...] = Field(description="at most `limit` of those that match `q`")
    matching: int
    other: str = Field(description="the other machine")
    other_at: float | None = Field(
        description="unix seconds at which the other machine wrote its list; null: none here"
    )
    other_sentence: str = Field(description="what is known of the other machine's phones, in words")
    still_there: int = Field(description="phones that are registered on the other machine")
    missing: tuple[MissingContactDocument, ...]


class EventDocument(Document):
    """One change."""

    at: float
    kind: EventKind
    subject: str
    before: str | None
    after: str | None
    cause: str | None


class HistoryDocument(Document):
    """What changed, oldest first."""

    machine: str
    at: float
    complete: bool = Field(description="false: the file is unwell, and this is what memory holds")
    note: str | None
    entries: tuple[EventDocument, ...]


class HealthDocument(Document):
    """Whether the daemon runs (healthz) or knows what it should know (readyz)."""

    ready: bool
    machine: str
    version: str
    since: float
    problems: tuple[str, ...] = Field(description="what is wrong, in sentences; empty when nothing is")


class RefusalDocument(Document):
    """Why a request was not answered."""

    error: str
