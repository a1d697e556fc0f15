"""What is known of one Asterisk at any moment, and the telling of whatever changes in it.

It has one writer: the loop that follows that Asterisk. A snapshot is a value of its own, which nobody changes any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from ami_watcher.follow.snapshot import Change, LinkState, Snapshot
from ami_watcher.follow.subscribers import Subscribers
from ami_watcher.phones.contact import Contact
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import RegistrationLists
from ami_watcher.registrations.registration import Registration
from ami_watcher.registrations.registry import RegistrationChange, RegistrationRegistry, Timing

CLOCK_S: Final = 0.05
"""The two clocks drift apart by less than this between two polls, unless one of them is set."""


class AsteriskState:
    """The link, the registrations and the contacts of one Asterisk.

    Args:
        machine: name in pair.toml.
        wanted: the trunks that register.
        role: the role that `wanted` was made for.
        timing: polls and patience.
        wall: unix seconds.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        machine: str,
        wanted: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        timing: Timing,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted = tuple(wanted)
        self.role = role
        self.registry = RegistrationRegistry(self.wanted, timing=timing)
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
        self._publish(self.registry.expect(self.wanted, clock()))

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
        wanted: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        timing: Timing,
        addresses: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """Another pair.toml, another role, or other addresses."""
        self.wanted = tuple(wanted)
        if role != self.role:
            self.tell("role", self._machine, self.role or "", role or "")
            self.role = role
        self._publish(self.registry.expect(self.wanted, self._clock(), timing=timing, addresses=addresses))

    def listed(self, lists: RegistrationLists) -> None:
        """All lists of registrations were read."""
        self._publish(self.registry.listed(lists, self._clock()))

    def contacts_listed(self, found: tuple[Contact, ...]) -> None:
        """All lists of contacts were read."""
        self._contacts_at = self._clock()
        if found != self._contacts:
            before, self._contacts = self._contacts, found
            self.tell("contacts", "contacts", str(len(before)), str(len(found)))

    def to(self, link: LinkState, reason: str) -> None:
        """The link is in this state now."""
        if link is self.link and reason == self._link_reason:
            return
        before, now = self.link, self._clock()
        if link is not before:
            self._link_since = now
            self.tell("link", self._machine, before.value, link.value, reason or None)
        self.link, self._link_reason = link, reason
        if link in (LinkState.LOST, LinkState.REFUSED):
            self.warning = self.contacts_problem = ""
            self._publish(self.registry.lost(reason, now))

    def tell(self, kind: str, subject: str, before: str, after: str, cause: str | None = None) -> None:
        """Tells everybody of a change; the words are those of Change."""
        self.subscribers.tell(Change(self._wall(), kind, subject, before, after, cause))

    def _publish(self, shifts: Iterable[RegistrationChange]) -> None:
        for shift in shifts:
            one = shift.after or shift.before
            if one is not None:
                self.tell(
                    "registration",
                    one.trunk,
                    shift.before.state.value if shift.before else "",
                    shift.after.state.value if shift.after else "",
                    shift.after.cause if shift.after else None,
                )


def _in_unix(one: Registration, offset: float) -> Registration:
    return replace(
        one,
        since=one.since + offset,
        proof=None if one.proof is None else one.proof + offset,
        doubt=None if one.doubt is None else one.doubt + offset,
    )
