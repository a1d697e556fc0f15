"""From what is known of registrations to what is said of them: the document, its level, and its one sentence.

Rules only: no socket, no file, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from ami_watcher.event import LinkState, WatcherEvent
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.history.timeline import Stretch, WatchedPeriod, held_since, outages, strip
from ami_watcher.level import Level
from ami_watcher.other_machine import OTHER_MACHINE_UNSEEN, OtherMachine
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.registration import Registration
from ami_watcher.registrations.state_words import STANDBY, RegistrationState
from ami_watcher.web import documents
from ami_watcher.web.documents import StateWord
from host.durations import lasting
from pair.model import Pair

LINK_LEVEL: Final[Mapping[LinkState, Level]] = {
    LinkState.CONNECTING: Level.UNKNOWN,
    LinkState.LOGGED_IN: Level.UNKNOWN,
    LinkState.SYNCED: Level.GOOD,
    LinkState.LOST: Level.BAD,
    LinkState.REFUSED: Level.BAD,
}
LINK_SENTENCE: Final[Mapping[LinkState, str]] = {
    LinkState.CONNECTING: "Connecting to Asterisk.",
    LinkState.LOGGED_IN: "Logged in to Asterisk; its lists are being read.",
    LinkState.SYNCED: "Connected to Asterisk; everything here is proven by its lists.",
    LinkState.LOST: "The connection to Asterisk is lost.",
    LinkState.REFUSED: "Asterisk does not let the watcher in.",
}
STATE_LEVEL: Final[Mapping[RegistrationState, Level]] = {
    RegistrationState.REGISTERED: Level.GOOD,
    RegistrationState.REGISTERING: Level.WARNING,
    RegistrationState.REJECTED: Level.BAD,
    RegistrationState.UNREGISTERED: Level.BAD,
    RegistrationState.GONE: Level.BAD,
    RegistrationState.UNEXPECTED: Level.BAD,
    RegistrationState.UNKNOWN: Level.UNKNOWN,
}
WORD: Final[Mapping[RegistrationState, str]] = {
    RegistrationState.REGISTERED: "registered",
    RegistrationState.REGISTERING: "registering",
    RegistrationState.REJECTED: "rejected",
    RegistrationState.UNREGISTERED: "not registered",
    RegistrationState.GONE: "missing",
    RegistrationState.UNEXPECTED: "must not be here",
    RegistrationState.UNKNOWN: Level.UNKNOWN,
}


def link_document(snapshot: Snapshot) -> documents.LinkDocument:
    """The connection to Asterisk, in words."""
    level = LINK_LEVEL[snapshot.link]
    return documents.LinkDocument(
        state=snapshot.link,
        # Connected, and yet there is something to mend: no events are shown, or phones cannot be listed.
        level=Level.WARNING if level is Level.GOOD and snapshot.link_reason else level,
        sentence=snapshot.link_reason or LINK_SENTENCE[snapshot.link],
        since=snapshot.link_since,
        asterisk_version=snapshot.asterisk_version,
    )


def registrations_document(
    snapshot: Snapshot,
    pair: Pair,
    expected: Sequence[ExpectedRegistration],
    events: Sequence[WatcherEvent],
    watched: Sequence[WatchedPeriod],
    now: float,
    other_machine: OtherMachine = OTHER_MACHINE_UNSEEN,
    problem: str = "",
) -> documents.RegistrationsDocument:
    """All registrations, with those that another machine holds for us.

    Args:
        snapshot: what Asterisk shows.
        pair: pair.toml.
        expected: those that register, of expected_registrations for the snapshot's role.
        events: of registrations, in order of time, from before the last day on.
        watched: when watchers ran.
        now: unix seconds.
        other_machine: what is known of the other machine.
        problem: what is wrong with pair.toml; "" where it is in force as it stands there.
    """
    peer = pair.peer_of(snapshot.machine)
    named = {item.trunk: item for item in expected}
    by_subject: dict[str, list[WatcherEvent]] = {}
    for event in events:
        by_subject.setdefault(event.subject, []).append(event)

    rows = []
    for registration in snapshot.registrations:
        trunk = named.get(registration.trunk)
        past = by_subject.get(registration.trunk, ())
        since = held_since(past, watched, state=registration.state, since=registration.since)
        registration = replace(registration, since=since)
        stretches = strip(past, watched, state=registration.state, since=since, now=now)
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
                state=STANDBY,
                level=Level.GOOD if other_machine.seen(now) and trunk.trunk in other_machine.held else Level.UNKNOWN,
                word="standing by",
                since=None,
                proof=snapshot.registrations_at,
                expiry_s=None,
                cause=_held(peer, trunk.trunk, other_machine, now),
                required=trunk.required,
                strip=(),
                outages=0,
                outage_s=0.0,
            )
        )
    rows.sort(key=lambda row: row.trunk)
    link = link_document(snapshot)
    level, sentence, detail = _judged(snapshot, link, rows, peer, other_machine, now)
    if problem and level is Level.GOOD:
        level, detail = Level.WARNING, problem
    overtaken = other_machine.overtaken(snapshot.machine, peer, now) if snapshot.role == "primary" else ""
    if overtaken:
        detail = f"Both take calls and registrations from each other. On {snapshot.machine}, type: failover demote"
        level, sentence = Level.BAD, overtaken
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


def _row(
    registration: Registration, trunk: ExpectedRegistration | None, stretches: tuple[Stretch, ...]
) -> documents.RegistrationDocument:
    count, seconds = outages(stretches)
    stray = trunk is None and registration.state is RegistrationState.UNEXPECTED
    return documents.RegistrationDocument(
        trunk=registration.trunk,
        channel=registration.channel,
        host=trunk.host if trunk is not None else None,
        state=registration.state,
        # A registration that pair.toml does not name takes no trunk of the pair away from anybody that we know of.
        level=Level.WARNING if stray else STATE_LEVEL[registration.state],
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


def _held(peer: str, trunk: str, other_machine: OtherMachine, now: float) -> str:
    """Who holds a trunk that this machine must not have, as far as anybody looked."""
    if not other_machine.seen(now) or other_machine.seen_at is None:
        return f"whether {peer} holds it was not looked at"
    verb = "held it" if trunk in other_machine.held else "did not hold it"
    return f"{peer} {verb} {lasting(now - other_machine.seen_at)} ago"


def _standing_by(
    rows: Sequence[documents.RegistrationDocument], peer: str, other_machine: OtherMachine, now: float
) -> tuple[Level, str, str | None]:
    """What a standby that holds nothing can say of the machine that should: what was seen, never what should be."""
    look = (
        "Look with: failover ready, which leaves here what it saw; run it every few minutes (docs/operate/readiness.md)"
    )
    if not other_machine.seen(now) or other_machine.seen_at is None:
        known = f"the name servers call {peer} primary, and" if other_machine.named_primary(peer) else ""
        sentence = f"Nothing registers here; {known} nobody looked whether {peer} holds the trunks."
        return Level.UNKNOWN, sentence.replace("  ", " "), look
    ago = lasting(now - other_machine.seen_at)
    if not other_machine.is_primary:
        return (
            Level.BAD,
            f"Nothing registers here, and {peer} is not primary either, as of {ago} ago.",
            "See: failover status",
        )
    missing = [row for row in rows if row.state == STANDBY and row.level is not Level.GOOD]
    if missing:
        return Level.WARNING, f"Nothing registers here, and {peer} did not hold {_named(missing)} {ago} ago.", None
    return Level.GOOD, f"Nothing registers here, as it should be: {peer} held the trunks {ago} ago.", None


def _judged(
    snapshot: Snapshot,
    link: documents.LinkDocument,
    rows: Sequence[documents.RegistrationDocument],
    peer: str,
    other_machine: OtherMachine,
    now: float,
) -> tuple[Level, str, str | None]:
    """How all of it is, the one sentence that says so, the worst thing first, and what there is to add."""
    if snapshot.link is not LinkState.SYNCED:
        return link.level, LINK_SENTENCE[snapshot.link], snapshot.link_reason or None
    wrong = [row for row in rows if row.state == RegistrationState.UNEXPECTED and row.level is Level.BAD]
    if wrong:
        verb = "is" if len(wrong) == 1 else "are"
        detail = f"Calls are taken away from {peer}. See what is active with: render-localized --check"
        return Level.BAD, f"{_named(wrong)} {verb} registered here and must not be.", detail
    own = [row for row in rows if row.held_here]
    holds = [row for row in own if row.state == RegistrationState.REGISTERED]
    down = [row for row in own if row.level is Level.BAD]
    if down:
        level: Level = Level.BAD if not holds or any(row.required for row in down) else Level.WARNING
        why = "; ".join(dict.fromkeys(f"{row.trunk}: {row.cause}" for row in down[:3] if row.cause))
        verb = f"is {down[0].word}" if len(down) == 1 else "do not hold"
        return level, f"{_named(down)} {verb}. {_counted(len(holds), len(own))}".strip(), why or None
    unknown = [row for row in own if row.level is Level.UNKNOWN]
    if unknown:
        return Level.UNKNOWN, f"{_named(unknown)}: state unknown.", unknown[0].cause
    trying = [row for row in own if row.level is Level.WARNING]
    if trying:
        verb = "is" if len(trying) == 1 else "are"
        return Level.WARNING, f"{_named(trying)} {verb} registering. {_counted(len(holds), len(own))}".strip(), None
    stray = [row for row in rows if row.state == RegistrationState.UNEXPECTED]
    if stray:
        return (
            Level.WARNING,
            f"Asterisk registers {_named(stray)}, which pair.toml does not name.",
            _all(len(own)) or None,
        )
    if own:
        return Level.GOOD, _all(len(own)), snapshot.link_reason or None
    if rows:
        return _standing_by(rows, peer, other_machine, now)
    return Level.GOOD, "Connected to Asterisk. pair.toml names no trunk that registers.", None


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
