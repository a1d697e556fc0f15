"""What others see of a followed Asterisk: what is known at one moment, and who gives that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.event import LinkState, WatcherEvent
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.phones.contact import Contact
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.registration import Registration


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


class AsteriskSource(Protocol):
    """Follows one Asterisk. Follower is the one that ships, another stands in for it in tests."""

    @property
    def snapshot(self) -> Snapshot:
        """Everything that is known now."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[WatcherEvent]]:
        """Events from now on, in order."""

    async def run(self, stop: asyncio.Event) -> None:
        """Follows until `stop` is set."""

    def reconfigure(
        self,
        expected: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        settings: FollowSettings | None = None,
        ami: AmiEndpoint | None = None,
    ) -> None:
        """Goes on with another pair.toml, or in another role."""
