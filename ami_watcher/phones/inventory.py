"""Who has been registered here, who is at the other machine, and who has not come back.

Rules only: no file, no clock. Phones are matched across machines by name alone, because the pair may run chan_sip on
the one machine and PJSIP on the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.phones.contact import Contact, Reach
from host.errors import HotstandbyError
from host.file_reading import MISREAD, from_json

FRESH_S: Final = 120.0
"""An export that is older than this proves nothing about where phones are now; it is written every 30 s."""
WITHIN_S: Final = 86_400.0
"""A phone that the other machine has not seen for a day is not missed."""
MOST: Final = 100_000
"""Phones that are remembered at most; the ones longest gone are forgotten first."""


class ExportInvalid(HotstandbyError):
    """The other machine's export cannot be read as one."""


@dataclass(frozen=True, slots=True)
class KnownContact:
    """A contact with when it was here.

    Attributes:
        contact: as it was last seen.
        first_seen: unix seconds.
        last_seen: unix seconds.
        here: whether the last list showed it.
    """

    contact: Contact
    first_seen: float
    last_seen: float
    here: bool


@dataclass(frozen=True, slots=True)
class ContactExport:
    """What one machine tells the other about its phones: those here now, and those here within the last day.

    Attributes:
        machine: whose it is.
        at: unix seconds of the list that it shows.
        known: the phones.
    """

    machine: str
    at: float
    known: tuple[KnownContact, ...]


@dataclass(frozen=True, slots=True)
class MissingContact:
    """A phone that was on the other machine and is on none now.

    Attributes:
        name: what it is called.
        channel: driver that it was registered with there.
        address: where it was.
        user_agent: what it called itself, where that is known.
        last_seen: unix seconds at which the other machine last had it.
        expires_at: unix seconds by which it registers anew at the latest, because its binding there ends; None where
            the driver does not list it.
    """

    name: str
    channel: str
    address: str
    user_agent: str | None
    last_seen: float
    expires_at: float | None


class Inventory:
    """Everybody known here; fed with whole lists, so a lost list leaves nothing wrong."""

    def __init__(self, known: Iterable[KnownContact] = (), *, most: int = MOST) -> None:
        """
        Args:
            known: from an earlier run.
            most: phones remembered.
        """
        self._known: dict[tuple[str, str, str], KnownContact] = {item.contact.key: item for item in known}
        self._most = most
        self._sorted: tuple[KnownContact, ...] | None = None

    @property
    def known(self) -> tuple[KnownContact, ...]:
        """Everybody, by channel, name and address; the same value until a list is taken or somebody is forgotten."""
        if self._sorted is None:
            self._sorted = tuple(self._known[key] for key in sorted(self._known))
        return self._sorted

    def take(self, contacts: Iterable[Contact], now: float) -> list[WatcherEvent]:
        """Takes one whole list and says what changed.

        Args:
            contacts: everybody who is registered at `now`.
            now: unix seconds.
        """
        self._sorted = None
        events: list[WatcherEvent] = []
        listed = {contact.key: contact for contact in contacts}
        came: dict[str, list[Contact]] = {}
        went: dict[str, list[Contact]] = {}
        for key, known in self._known.items():
            if known.here and key not in listed:
                went.setdefault(known.contact.name, []).append(known.contact)
                self._known[key] = replace(known, here=False)
        for key, contact in listed.items():
            before = self._known.get(key)
            if before is None or not before.here:
                came.setdefault(contact.name, []).append(contact)
            elif before.contact.reach is not contact.reach:
                events.append(WatcherEvent(now, EventKind.CONTACT, contact.name, _said(before.contact), _said(contact)))
            self._known[key] = KnownContact(contact, before.first_seen if before else now, now, here=True)
        for name in sorted(came.keys() | went.keys()):
            # A phone that left one address and came at another in the same list has moved: one line, not two.
            old, new = went.get(name, []), came.get(name, [])
            for index in range(max(len(old), len(new))):
                events.append(
                    WatcherEvent(
                        now,
                        EventKind.CONTACT,
                        name,
                        _said(old[index]) if index < len(old) else None,
                        _said(new[index]) if index < len(new) else None,
                    )
                )
        return events

    def forget(self, before: float) -> None:
        """Drops who was last here before `before` (unix seconds), and the longest gone when there are too many."""
        kept = {key: item for key, item in self._known.items() if item.here or item.last_seen >= before}
        if len(kept) > self._most:
            newest = sorted(kept.values(), key=lambda item: (item.here, item.last_seen), reverse=True)[: self._most]
            kept = {item.contact.key: item for item in newest}
        if len(kept) < len(self._known):
            self._sorted = None
            self._known = kept

    def export(self, machine: str, at: float, *, within_s: float = WITHIN_S) -> ContactExport:
        """What the other machine should know, as of the list of `at`: who registered here within `within_s`."""
        recent = (item for item in self.known if item.contact.dynamic and item.last_seen >= at - within_s)
        return ContactExport(machine, at, tuple(recent))


def missing_contacts(
    other: ContactExport, here: Iterable[Contact], now: float, *, within_s: float = WITHIN_S
) -> tuple[tuple[MissingContact, ...], int]:
    """Who has not come back, soonest expected first, and how many are still on the other machine.

    A phone is still there only as long as the export is fresh; a dead machine's export grows old, and its phones are
    missing from then on until they are here.

    Args:
        other: the other machine's export.
        here: who is registered on this machine now.
        now: unix seconds.
        within_s: how long ago the other machine may have seen a phone that counts, before its export was written.
    """
    present = {contact.name for contact in here}
    # A list from the future is no fresher: with a clock that is ahead, a dead machine would seem to live on.
    fresh = abs(now - other.at) <= FRESH_S
    still_there = {item.contact.name for item in other.known if item.here and fresh} - present
    last: dict[str, KnownContact] = {}
    for item in other.known:
        name = item.contact.name
        if name in present or name in still_there or item.last_seen < other.at - within_s:
            continue
        if name not in last or _recency(item) > _recency(last[name]):
            last[name] = item
    found = [
        MissingContact(
            name=name,
            channel=item.contact.channel,
            address=item.contact.address,
            user_agent=item.contact.user_agent,
            last_seen=item.last_seen,
            expires_at=item.contact.expires_at,
        )
        for name, item in last.items()
    ]
    found.sort(key=lambda item: (item.expires_at is None, item.expires_at or 0.0, item.name))
    return tuple(found), len(still_there)


def encode_export(export: ContactExport) -> bytes:
    """The export as the JSON that `decode_export` understands; one phone a line, so that a sync moves little."""
    head = {"format": 1, "machine": export.machine, "at": export.at}
    lines = ",\n".join(
        json.dumps(
            {
                "name": item.contact.name,
                "channel": item.contact.channel,
                "address": item.contact.address,
                "reach": item.contact.reach.value,
                "user_agent": item.contact.user_agent,
                "expires_at": item.contact.expires_at,
                "first_seen": item.first_seen,
                "last_seen": item.last_seen,
                "here": item.here,
            }
        )
        for item in export.known
    )
    return f'{json.dumps(head)[:-1]}, "contacts": [\n{lines}\n]}}\n'.encode()


def decode_export(data: bytes, *, machine: str) -> ContactExport:
    """The other machine's export.

    Args:
        data: the file.
        machine: whose it has to be.

    Raises:
        ExportInvalid: it is no export, or another machine's.
    """
    try:
        document = from_json(data)
        if document["format"] != 1:
            raise ValueError(f"its format is {document['format']!r}, and this version reads format 1")
        if document["machine"] != machine:
            raise ValueError("it is another machine's")
        return ContactExport(
            machine, _moment(document["at"]), tuple(_known(item) for item in document["contacts"][:MOST])
        )
    except MISREAD as error:
        raise ExportInvalid(
            f"The list of phones that {machine} wrote cannot be read ({type(error).__name__}: {error}). "
            f"It is written anew every 30 s: see whether ami-watcher runs on {machine} and the directory is synced."
        ) from error


def _known(item: Mapping[str, Any]) -> KnownContact:
    contact = Contact(
        channel=_text(item["channel"]),
        name=_text(item["name"]),
        address=_text(item["address"]),
        reach=Reach(item["reach"]),
        user_agent=_text(item["user_agent"]) if item.get("user_agent") is not None else None,
        expires_at=_moment(item["expires_at"]) if item.get("expires_at") is not None else None,
    )
    return KnownContact(contact, _moment(item["first_seen"]), _moment(item["last_seen"]), here=bool(item["here"]))


def _moment(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise ValueError(f"{value!r:.80} stands where unix seconds belong")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} stands where text belongs")
    return value[:256]


def _said(contact: Contact) -> str:
    return contact.address if contact.reach is Reach.UNMONITORED else f"{contact.address} {contact.reach.value}"


def _recency(item: KnownContact) -> tuple[float, float]:
    return (item.last_seen, item.contact.expires_at or 0.0)
