"""Everything known at one moment, as values that nobody changes any more, and the documents made from it.

Documents of thousands of trunks take a moment to make, in a thread beside the loop, which follows Asterisk meanwhile.
Each is made once, for whoever asks first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.history.timeline import WatchedPeriod
from ami_watcher.other_machine import OTHER_MACHINE_UNSEEN, OtherMachine
from ami_watcher.phones.inventory import ContactExport, KnownContact
from ami_watcher.registrations.expected import ExpectedRegistration, Role, expected_registrations
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web import documents
from ami_watcher.web.contacts_view import contacts_document
from ami_watcher.web.registrations_view import registrations_document
from pair.model import Pair


@dataclass(frozen=True)
class StateView:
    """One moment.

    Attributes:
        at: unix seconds.
        snapshot: what Asterisk shows.
        pair: pair.toml.
        events: of trunks, link and role, as they were remembered.
        watched: when watchers ran.
        known: every phone.
        other_contacts: the other machine's list, and why there is none.
        health: what /readyz says.
        other_machine: what is known of the other machine.
        problem: what is wrong with pair.toml.
    """

    at: float
    snapshot: Snapshot
    pair: Pair
    events: Sequence[WatcherEvent]
    watched: Sequence[WatchedPeriod]
    known: Sequence[KnownContact]
    other_contacts: tuple[ContactExport | None, str]
    health: documents.HealthDocument
    other_machine: OtherMachine = OTHER_MACHINE_UNSEEN
    problem: str = ""

    @property
    def machine(self) -> str:
        """Ours."""
        return self.snapshot.machine

    @cached_property
    def history(self) -> Sequence[WatcherEvent]:
        """The events in order of time."""
        return sorted(self.events, key=lambda event: event.at)

    @cached_property
    def expected(self) -> Sequence[ExpectedRegistration]:
        """The trunks that register, in the role of this moment."""
        return expected_registrations(self.pair, self.machine, cast("Role | None", self.snapshot.role))

    @cached_property
    def registrations(self) -> documents.RegistrationsDocument:
        """All registrations."""
        events = [event for event in self.history if event.kind is EventKind.REGISTRATION]
        return registrations_document(
            self.snapshot,
            self.pair,
            self.expected,
            events,
            self.watched,
            self.at,
            self.other_machine,
            self.problem,
        )

    @cached_property
    def registrations_json(self) -> bytes:
        """The same as the API gives it."""
        return self.registrations.model_dump_json().encode()

    def contacts(self, query: str = "", limit: int = 500) -> documents.ContactsDocument:
        """Who is here, and who has not come back."""
        other, why = self.other_contacts
        return contacts_document(
            self.snapshot,
            self.known,
            other,
            why,
            self.pair.peer_of(self.machine),
            self.at,
            query=query,
            limit=limit,
        )

    def recent(self, limit: int) -> documents.HistoryDocument:
        """What changed lately; phones are left out, and what was unknown because the link was lost."""
        found = [
            event
            for event in self.history
            if not (event.kind is EventKind.REGISTRATION and RegistrationState.UNKNOWN in (event.before, event.after))
        ]
        return history_document(self.machine, found[-limit:], self.at)


def history_document(
    machine: str, found: Sequence[WatcherEvent], at: float, *, complete: bool = True, note: str | None = None
) -> documents.HistoryDocument:
    """Events as the API gives them.

    Args:
        machine: ours.
        found: in order of time.
        at: unix seconds.
        complete: whether they come from the whole history.
        note: why they do not.
    """
    return documents.HistoryDocument(
        machine=machine,
        at=at,
        complete=complete,
        note=note,
        entries=tuple(documents.EventDocument.model_validate(event, from_attributes=True) for event in found),
    )
