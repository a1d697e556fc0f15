"""From what is known to what is said: the documents of the API.

Rules only: no socket, no file, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from ami_watcher.event import Stretch, WatchedPeriod, WatcherEvent, held_since, outages, strip
from ami_watcher.follow.snapshot import LinkState, Snapshot
from ami_watcher.other_machine import OTHER_MACHINE_UNSEEN, OtherMachine
from ami_watcher.phones.inventory import FRESH_S, ContactExport, KnownContact, missing_contacts
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.registration import Registration, RegistrationState
from ami_watcher.web import documents
from ami_watcher.web.documents import Level, StateWord
from host.durations import lasting
from pair.model import Pair

LINK_LEVEL: Final[Mapping[LinkState, Level]] = {
    LinkState.CONNECTING: "unknown",
    LinkState.LOGGED_IN: "unknown",
    LinkState.SYNCED: "good",
    LinkState.LOST: "bad",
    LinkState.REFUSED: "bad",
}
LINK_SENTENCE: Final[Mapping[LinkState, str]] = {
    LinkState.CONNECTING: "Connecting to Asterisk.",
    LinkState.LOGGED_IN: "Logged in to Asterisk; its lists are being read.",
    LinkState.SYNCED: "Connected to Asterisk; everything here is proven by its lists.",
    LinkState.LOST: "The connection to Asterisk is lost.",
    LinkState.REFUSED: "Asterisk does not let the watcher in.",
}
STATE_LEVEL: Final[Mapping[RegistrationState, Level]] = {
    RegistrationState.REGISTERED: "good",
    RegistrationState.REGISTERING: "warning",
    RegistrationState.REJECTED: "bad",
    RegistrationState.UNREGISTERED: "bad",
    RegistrationState.GONE: "bad",
    RegistrationState.UNEXPECTED: "bad",
    RegistrationState.UNKNOWN: "unknown",
}
WORD: Final[Mapping[RegistrationState, str]] = {
    RegistrationState.REGISTERED: "registered",
    RegistrationState.REGISTERING: "registering",
    RegistrationState.REJECTED: "rejected",
    RegistrationState.UNREGISTERED: "not registered",
    RegistrationState.GONE: "missing",
    RegistrationState.UNEXPECTED: "must not be here",
    RegistrationState.UNKNOWN: "unknown",
}


def link_document(snapshot: Snapshot) -> documents.LinkDocument:
    """The connection to Asterisk, in words."""
    level = LINK_LEVEL[snapshot.link]
    return documents.LinkDocument(
        state=snapshot.link.value,
        # Connected, and yet there is something to mend: no events are shown, or phones cannot be listed.
        level="warning" if level == "good" and snapshot.link_reason else level,
        sentence=snapshot.link_reason or LINK_SENTENCE[snapshot.link],
        since=snapshot.link_since,
        asterisk_version=snapshot.asterisk_version,
    )


def registrations_document(
    snapshot: Snapshot,
    pair: Pair,
    trunks: Sequence[ExpectedRegistration],
    entries: Sequence[WatcherEvent],
    watched: Sequence[WatchedPeriod],
    now: float,
    neighbour: OtherMachine = OTHER_MACHINE_UNSEEN,
    problem: str = "",
) -> documents.RegistrationsDocument:
    """All registrations, with those that another machine holds for us.

    Args:
        snapshot: what Asterisk shows.
        pair: pair.toml.
        trunks: those that register, of expected.wanted for the snapshot's role.
        entries: of registrations, in order of time, from before the last day on.
        watched: when watchers ran.
        now: unix seconds.
        neighbour: what is known of the other machine.
        problem: what is wrong with pair.toml; "" where it is in force as it stands there.
    """
    peer = pair.peer_of(snapshot.machine)
    named = {item.trunk: item for item in trunks}
    by_subject: dict[str, list[WatcherEvent]] = {}
    for entry in entries:
        by_subject.setdefault(entry.subject, []).append(entry)

    rows = []
    for registration in snapshot.registrations:
        trunk = named.get(registration.trunk)
        past = by_subject.get(registration.trunk, ())
        since = held_since(past, watched, state=registration.state.value, since=registration.since)
        registration = replace(registration, since=since)
        stretches = strip(past, watched, state=registration.state.value, since=since, now=now)
        if registration.cause is not None and registration.cause == snapshot.link_reason:
            # It is said once, for all of them.
            registration = replace(registration, cause=None)
        rows.append(_row(registration, trunk, stretches))
    shown = {registration.trunk for registration in snapshot.registrations}
    for trunk in named.values():
        if trunk.here or trunk.trunk in shown:
            continue
        rows.append(
            documents.RegistrationDocument(
                trunk=trunk.trunk,
                channel=trunk.channel,
                host=trunk.host,
                state="standby",
                level="good" if neighbour.seen(now) and trunk.trunk in neighbour.held else "unknown",
                word="standing by",
                since=None,
                proof=snapshot.registrations_at,
                expiry_s=None,
                cause=_held(peer, trunk.trunk, neighbour, now),
                required=trunk.required,
                strip=(),
                outages=0,
                outage_s=0.0,
            )
        )
    rows.sort(key=lambda row: row.trunk)
    link = link_document(snapshot)
    level, sentence, detail = _judged(snapshot, link, rows, peer, neighbour, now)
    if problem and level == "good":
        level, detail = "warning", problem
    overtaken = neighbour.overtaken(snapshot.machine, peer, now) if snapshot.role == "primary" else ""
    if overtaken:
        detail = f"Both take calls and registrations from each other. On {snapshot.machine}, type: failover demote"
        level, sentence = "bad", overtaken
    return documents.RegistrationsDocument(
        machine=snapshot.machine,
        pair=pair.name,
        role=snapshot.role,
        at=now,
        level=level,
        sentence=sentence,
        detail=detail,
        link=link,
        registrations=tuple(rows),
        overtaken=bool(overtaken),
    )


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
                reach=contact.reach.value,
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
        missing=tuple(
            documents.MissingContactDocument(
                name=item.name,
                channel=item.channel,
                address=item.address,
                user_agent=item.user_agent,
                last_seen=item.last_seen,
                expires_at=item.expires_at,
            )
            for item in gone
        ),
    )


def _row(
    registration: Registration, trunk: ExpectedRegistration | None, stretches: tuple[Stretch, ...]
) -> documents.RegistrationDocument:
    count, seconds = outages(stretches)
    stray = trunk is None and registration.state is RegistrationState.UNEXPECTED
    return documents.RegistrationDocument(
        trunk=registration.trunk,
        channel=registration.channel,
        host=trunk.host if trunk is not None else None,
        state=registration.state.value,
        # A registration that pair.toml does not name takes no trunk of the pair away from anybody that we know of.
        level="warning" if stray else STATE_LEVEL[registration.state],
        word="not in pair.toml" if stray else WORD[registration.state],
        since=registration.since,
        proof=registration.proof,
        expiry_s=registration.expiry_s,
        cause=registration.cause,
        required=trunk is not None and trunk.required,
        strip=tuple(
            documents.StretchDocument(start=item.start, end=item.end, state=cast(StateWord, item.state))
            for item in stretches
        ),
        outages=count,
        outage_s=seconds,
    )


def _held(peer: str, trunk: str, neighbour: OtherMachine, now: float) -> str:
    """Who holds a trunk that this machine must not have, as far as anybody looked."""
    if not neighbour.seen(now) or neighbour.seen_at is None:
        return f"whether {peer} holds it was not looked at"
    verb = "held it" if trunk in neighbour.held else "did not hold it"
    return f"{peer} {verb} {lasting(now - neighbour.seen_at)} ago"


def _standing_by(
    rows: Sequence[documents.RegistrationDocument], peer: str, neighbour: OtherMachine, now: float
) -> tuple[Level, str, str | None]:
    """What a standby that holds nothing can say of the machine that should: what was seen, never what should be."""
    look = (
        "Look with: failover ready, which leaves here what it saw; run it every few minutes (docs/operate/readiness.md)"
    )
    if not neighbour.seen(now) or neighbour.seen_at is None:
        known = f"the name servers call {peer} primary, and" if neighbour.named_primary(peer) else ""
        sentence = f"Nothing registers here; {known} nobody looked whether {peer} holds the trunks."
        return "unknown", sentence.replace("  ", " "), look
    ago = lasting(now - neighbour.seen_at)
    if not neighbour.is_primary:
        return (
            "bad",
            f"Nothing registers here, and {peer} is not primary either, as of {ago} ago.",
            "See: failover status",
        )
    missing = [row for row in rows if row.state == "standby" and row.level != "good"]
    if missing:
        return "warning", f"Nothing registers here, and {peer} did not hold {_named(missing)} {ago} ago.", None
    return "good", f"Nothing registers here, as it should be: {peer} held the trunks {ago} ago.", None


def _judged(
    snapshot: Snapshot,
    link: documents.LinkDocument,
    rows: Sequence[documents.RegistrationDocument],
    peer: str,
    neighbour: OtherMachine,
    now: float,
) -> tuple[Level, str, str | None]:
    """How all of it is, the one sentence that says so, the worst thing first, and what there is to add."""
    if snapshot.link is not LinkState.SYNCED:
        return link.level, LINK_SENTENCE[snapshot.link], snapshot.link_reason or None
    wrong = [row for row in rows if row.state == "unexpected" and row.level == "bad"]
    if wrong:
        verb = "is" if len(wrong) == 1 else "are"
        detail = f"Calls are taken away from {peer}. See what is active with: render-localized --check"
        return "bad", f"{_named(wrong)} {verb} registered here and must not be.", detail
    own = [row for row in rows if row.state not in ("standby", "unexpected")]
    holds = [row for row in own if row.state == "registered"]
    down = [row for row in own if row.level == "bad"]
    if down:
        level: Level = "bad" if not holds or any(row.required for row in down) else "warning"
        why = "; ".join(dict.fromkeys(f"{row.trunk}: {row.cause}" for row in down[:3] if row.cause))
        verb = f"is {down[0].word}" if len(down) == 1 else "do not hold"
        return level, f"{_named(down)} {verb}. {_counted(len(holds), len(own))}".strip(), why or None
    unknown = [row for row in own if row.level == "unknown"]
    if unknown:
        verb = "is" if len(unknown) == 1 else "are"
        return "unknown", f"Nobody can say how {_named(unknown)} {verb} now.", unknown[0].cause
    trying = [row for row in own if row.level == "warning"]
    if trying:
        verb = "is" if len(trying) == 1 else "are"
        return "warning", f"{_named(trying)} {verb} registering. {_counted(len(holds), len(own))}".strip(), None
    stray = [row for row in rows if row.state == "unexpected"]
    if stray:
        return "warning", f"Asterisk registers {_named(stray)}, which pair.toml does not name.", _all(len(own)) or None
    if own:
        return "good", _all(len(own)), snapshot.link_reason or None
    if rows:
        return _standing_by(rows, peer, neighbour, now)
    return "good", "Connected to Asterisk. pair.toml names no trunk that registers.", None


def _all(number: int) -> str:
    if number < 2:
        return "The one registration holds." if number else ""
    return f"All {number} registrations hold."


def _counted(holds: int, whole: int) -> str:
    return f"{holds or 'None'} of {whole} hold{'s' if holds == 1 else ''}." if whole > 1 else ""


def _named(rows: Sequence[documents.RegistrationDocument]) -> str:
    names = [row.trunk for row in rows[:3]]
    if len(rows) > 3:
        return f"{', '.join(names)} and {len(rows) - 3} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


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
