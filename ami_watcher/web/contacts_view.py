"""From what is known of phones to what is said of them. Rules only: no socket, no file, no clock."""

from __future__ import annotations

from collections.abc import Sequence

from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.phones.inventory import FRESH_S, ContactExport, KnownContact, missing_contacts
from ami_watcher.web import documents
from host.durations import lasting


def contacts_document(
    snapshot: Snapshot,
    known: Sequence[KnownContact],
    other: ContactExport | None,
    other_sentence: str,
    other_machine: str,
    now: float,
    *,
    query: str = "",
    limit: int = 500,
) -> documents.ContactsDocument:
    """Who is here, and who has not come back.

    Args:
        snapshot: what Asterisk shows.
        known: everybody, for since when they are here.
        other: the other machine's export, None where there is none.
        other_sentence: why there is none; "" where there is one.
        other_machine: its name.
        now: unix seconds.
        query: only contacts whose name, address or user agent holds it, in any case of letters.
        limit: contacts at most.
    """
    since = {item.contact.key: item.first_seen for item in known if item.here}
    asked = query.casefold()
    matching = [
        contact
        for contact in snapshot.contacts
        if asked in f"{contact.name} {contact.address} {contact.user_agent or ''} {contact.channel}".casefold()
    ]
    gone, there = missing_contacts(other, snapshot.contacts, now) if other is not None else ((), 0)
    if other is not None and snapshot.role == "standby":
        # Phones belong with the primary: a list that a slow sync brings late makes none of them missing here.
        gone, there = (), len({item.contact.name for item in other.known if item.here})
    if other is not None:
        other_sentence = _about_the_other(other, len(gone), there, now)
    return documents.ContactsDocument(
        machine=snapshot.machine,
        at=now,
        proof=snapshot.contacts_at,
        total=len(snapshot.contacts),
        matching=len(matching),
        contacts=tuple(
            documents.ContactDocument(
                channel=contact.channel,
                name=contact.name,
                address=contact.address,
                reach=contact.reach,
                rtt_ms=contact.rtt_ms,
                user_agent=contact.user_agent,
                expires_at=contact.expires_at,
                dynamic=contact.dynamic,
                since=since.get(contact.key),
            )
            for contact in matching[:limit]
        ),
        other=other_machine,
        other_at=other.at if other is not None else None,
        other_sentence=other_sentence,
        still_there=there,
        missing=tuple(documents.MissingContactDocument.model_validate(item, from_attributes=True) for item in gone),
    )


def _about_the_other(other: ContactExport, gone: int, there: int, now: float) -> str:
    age = lasting(now - other.at)
    if other.at - now > FRESH_S:
        ahead = lasting(other.at - now)
        return f"The clock of {other.machine} is {ahead} ahead of ours, so its list of phones proves nothing: set them."
    if gone:
        waited = (
            f"{gone} phone{'s' if gone > 1 else ''} of {other.machine} {'have' if gone > 1 else 'has'} not come back"
        )
        return f"{waited}; its list is {age} old."
    if there:
        return f"{there} phone{'s are' if there > 1 else ' is'} on {other.machine}, as of {age} ago; nobody is missing."
    return f"Nobody is missing; {other.machine}'s list is {age} old."
