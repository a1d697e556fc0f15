"""Everything known of one Asterisk now: the link, its registrations, its phones; and who is told when it changes.

It has one writer: the loop that follows that Asterisk. A snapshot is a value of its own, which nobody changes any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from ami_watcher.event import EventKind, LinkState, WatcherEvent
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.phones.contact import Contact
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import RegistrationLists
from ami_watcher.registrations.registration import Registration
from ami_watcher.registrations.registry import RegistrationChange, RegistrationRegistry, Timing

QUEUE: Final = 1000
"""Changes that wait for a subscriber that does not come; older ones are dropped."""
CLOCK_S: Final = 0.05
"""The two clocks drift apart by less than this between two polls, unless one of them is set."""


class AsteriskState:
    """The link, the registrations and the contacts of one Asterisk.

    Args:
        machine: name in pair.toml.
        expected: the trunks that register.
        role: the role that `expected` was made for.
        timing: polls and patience.
        wall: unix seconds.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        machine: str,
        expected: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        timing: Timing,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.expected = tuple(expected)
        self.role = role
        self.registry = RegistrationRegistry(self.expected, timing=timing)
        self.subscribers = Subscribers()
        self.link = LinkState.CONNECTING
        self.warning = ""
        """What is to be mended although all lists are read: no events are shown, say."""
        self.contacts_problem = ""
        """Why phones cannot be listed."""
        self._machine = machine
        self._wall = wall
        self._clock = clock
        self._link_since = clock()
        self._link_reason = ""
        self._contacts: tuple[Contact, ...] = ()
        self._contacts_at: float | None = None
        self._made: tuple[tuple[Registration, ...], float, tuple[Registration, ...]] = ((), 0.0, ())
        self._publish(self.registry.expect(self.expected, clock()))

    @property
    def snapshot(self) -> Snapshot:
        """Everything known now."""
        now, wall = self._clock(), self._wall()
        # Nothing is shown as fine on a proof that is too old, whatever keeps us from getting a newer one.
        self._publish(self.registry.tick(now))

        def unix(at: float | None) -> float | None:
            return None if at is None else wall - (now - at)

        return Snapshot(
            machine=self._machine,
            at=wall,
            link=self.link,
            link_since=wall - (now - self._link_since),
            link_reason="; ".join(text for text in (self._link_reason, self.warning, self.contacts_problem) if text),
            asterisk_version=self.registry.version,
            modules=self.registry.modules,
            role=self.role,
            registrations=self._registrations(wall - now),
            registrations_at=unix(self.registry.listed_at),
            contacts=self._contacts,
            contacts_at=unix(self._contacts_at),
        )

    def _registrations(self, offset: float) -> tuple[Registration, ...]:
        """Those of the registry with unix seconds; the same value until something is learned or the clock is set."""
        source, made_for, made = self._made
        known = self.registry.registrations
        if known is not source or abs(offset - made_for) > CLOCK_S:
            made = tuple(_in_unix(one, offset) for one in known)
            self._made = known, offset, made
        return made

    def expect(
        self,
        expected: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        timing: Timing,
        addresses: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """Another pair.toml, another role, or other addresses."""
        self.expected = tuple(expected)
        if role != self.role:
            self._tell(EventKind.ROLE, self._machine, self.role, role)
            self.role = role
        self._publish(self.registry.expect(self.expected, self._clock(), timing=timing, addresses=addresses))

    def listed(self, lists: RegistrationLists, asked: float) -> None:
        """All lists of registrations were read; `asked` is when, on our clock, the first was asked for."""
        self._publish(self.registry.listed(lists, self._clock(), asked=asked))

    def contacts_listed(self, found: tuple[Contact, ...]) -> None:
        """All lists of contacts were read."""
        self._contacts_at = self._clock()
        if found != self._contacts:
            # The same value as long as nobody came or went: whoever compares by identity is quick.
            self._contacts = found

    def set_link(self, link: LinkState, reason: str) -> None:
        """The link is in this state now."""
        if link is self.link and reason == self._link_reason:
            return
        before, now = self.link, self._clock()
        if link is not before:
            self._link_since = now
            self._tell(EventKind.LINK, self._machine, before.value, link.value, reason or None)
        self.link, self._link_reason = link, reason
        if link in (LinkState.LOST, LinkState.REFUSED):
            self.warning = self.contacts_problem = ""
            self._publish(self.registry.lost(reason, now))

    def reregistered(self, trunk: str, before: str, done: str, why: str) -> None:
        """Asterisk was told to register `trunk` again: with `done`, because of `why`."""
        self._tell(EventKind.REREGISTRATION, trunk, before, done, why)

    def _tell(
        self, kind: EventKind, subject: str, before: str | None, after: str | None, cause: str | None = None
    ) -> None:
        self.subscribers.tell(WatcherEvent(self._wall(), kind, subject, before, after, cause))

    def _publish(self, changes: Iterable[RegistrationChange]) -> None:
        for change in changes:
            one = change.after or change.before
            if one is not None:
                self._tell(
                    EventKind.REGISTRATION,
                    one.trunk,
                    change.before.state.value if change.before else None,
                    change.after.state.value if change.after else None,
                    change.after.cause if change.after else None,
                )


def _in_unix(one: Registration, offset: float) -> Registration:
    return replace(
        one,
        since=one.since + offset,
        proof=None if one.proof is None else one.proof + offset,
        unconfirmed_since=None if one.unconfirmed_since is None else one.unconfirmed_since + offset,
    )


class Subscribers:
    """Gives every event to everybody who is subscribed."""

    def __init__(self) -> None:
        self._all: set[_Subscriber] = set()

    def tell(self, event: WatcherEvent) -> None:
        """Gives it to everybody; waits for nobody."""
        for subscriber in self._all:
            subscriber.put(event)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[WatcherEvent]]:
        """Events from now on."""
        subscriber = _Subscriber()
        self._all.add(subscriber)
        try:
            yield subscriber
        finally:
            self._all.discard(subscriber)


class _Subscriber(AsyncIterator[WatcherEvent]):
    """A bounded queue; the oldest changes go first."""

    def __init__(self) -> None:
        self._waiting: deque[WatcherEvent] = deque(maxlen=QUEUE)
        self._some = asyncio.Event()

    def put(self, event: WatcherEvent) -> None:
        self._waiting.append(event)
        self._some.set()

    def __aiter__(self) -> AsyncIterator[WatcherEvent]:
        return self

    async def __anext__(self) -> WatcherEvent:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()
