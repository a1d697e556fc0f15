"""The one sentence, the one line for monitoring, and the tables: what each situation reads like."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from typing import Any, cast

import pytest
from rich.console import Console, RenderableType

from ami_watcher import tables
from ami_watcher.check import PluginResult, PluginStatus, report_from
from ami_watcher.check import judged as judged_report
from ami_watcher.event import LinkState
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.other_machine import OtherMachine
from ami_watcher.phones.inventory import ContactExport, KnownContact
from ami_watcher.registrations.expected import Role, expected_registrations
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web.contacts_view import contacts_document
from ami_watcher.web.documents import ContactsDocument, RegistrationsDocument
from ami_watcher.web.registrations_view import registrations_document
from host.file_reading import MISREAD
from pair.public_role import PublicRole
from tests.ami_watcher.fake_source import a_pair, a_phone, a_registration, a_snapshot

PAIR = a_pair()


def judged(
    registrations: RegistrationsDocument, contacts: ContactsDocument, *, missing_warning: int | None = None
) -> PluginResult:
    """As the command judges them: the documents as they come from the daemon."""
    report = report_from(registrations.model_dump(mode="json"), contacts.model_dump(mode="json"))
    return judged_report(report, missing_warning=missing_warning)


def registrations(
    snapshot: Snapshot, other_machine: OtherMachine | None = None, problem: str = ""
) -> RegistrationsDocument:
    """As shown beside a dallas that was seen a minute ago and holds everything, where no other is given."""
    now = time.time()
    trunks = expected_registrations(PAIR, snapshot.machine, cast("Role | None", snapshot.role))
    other = other_machine or seen(60)
    if other.seen_at is not None:
        other = replace(other, seen_at=now + other.seen_at)
    return registrations_document(snapshot, PAIR, trunks, (), (), now, other, problem)


def seen(ago_s: float, **changed: Any) -> OtherMachine:
    """Dallas, which is primary and holds all, seen so long before the document is made."""
    held = frozenset(("acme", "metro", "nova"))
    return replace(OtherMachine(seen_at=-ago_s, is_primary=True, epoch=4, held=held), **changed)


def contacts(snapshot: Snapshot, *missing: str, age_s: float = 400.0) -> ContactsDocument:
    now = time.time()
    known = tuple(
        KnownContact(a_phone(name, expires_at=now - 30), now - 9000, now - age_s, here=True) for name in missing
    )
    return contacts_document(snapshot, (), ContactExport("dallas", now - age_s, known), "", "dallas", now)


def some(**states: RegistrationState) -> Snapshot:
    """A primary whose trunks are registered but for these."""
    names = ("acme", "metro", "nova")
    return a_snapshot(
        registrations=tuple(
            a_registration(
                name, states.get(name, RegistrationState.REGISTERED), cause="forbidden" if name in states else None
            )
            for name in names
        )
    )


STRAY = replace(a_registration("acme"), trunk="old@192.0.2.9", state=RegistrationState.UNEXPECTED)
STANDBY = a_snapshot(role="standby", registrations=())
BETRAYED = a_snapshot(role="standby", registrations=(a_registration("acme", RegistrationState.UNEXPECTED),))

SITUATIONS = [
    (a_snapshot(), PluginStatus.OK, "good", "All 3 registrations hold."),
    (some(metro=RegistrationState.REJECTED), PluginStatus.WARNING, "warning", "metro is rejected. 2 of 3 hold."),
    (some(acme=RegistrationState.REJECTED), PluginStatus.CRITICAL, "bad", "acme is rejected. 2 of 3 hold."),  # required
    (
        some(acme=RegistrationState.GONE, metro=RegistrationState.GONE, nova=RegistrationState.GONE),
        PluginStatus.CRITICAL,
        "bad",
        "acme, metro and nova do not hold. None of 3 hold.",
    ),
    (some(nova=RegistrationState.REGISTERING), PluginStatus.WARNING, "warning", "nova is registering. 2 of 3 hold."),
    (some(nova=RegistrationState.UNKNOWN), PluginStatus.UNKNOWN, "unknown", "nova: state unknown."),
    (STANDBY, PluginStatus.OK, "good", "Nothing registers here, as it should be: dallas held the trunks 60 s ago."),
    (BETRAYED, PluginStatus.CRITICAL, "bad", "acme is registered here and must not be."),
    (
        a_snapshot(registrations=(*a_snapshot().registrations, STRAY)),
        PluginStatus.WARNING,
        "warning",
        "Asterisk registers old@192.0.2.9, which pair.toml does not name.",
    ),
    (
        a_snapshot(link=LinkState.LOST, link_reason="Nothing listens there."),
        PluginStatus.CRITICAL,
        "bad",
        "The connection to Asterisk is lost.",
    ),
    (
        a_snapshot(link=LinkState.REFUSED, link_reason="The secret is wrong."),
        PluginStatus.UNKNOWN,
        "bad",
        "Asterisk does not let the watcher in.",
    ),
    (a_snapshot(link=LinkState.CONNECTING), PluginStatus.UNKNOWN, "unknown", "Connecting to Asterisk."),
]


@pytest.mark.parametrize(("snapshot", "verdict", "level", "sentence"), SITUATIONS)
def test_each_situation_has_its_sentence_level_and_exit_code(
    snapshot: Snapshot, verdict: PluginStatus, level: str, sentence: str
) -> None:
    document = registrations(snapshot)
    assert (document.level, document.sentence) == (level, sentence)
    result = judged(document, contacts(snapshot))
    assert result.status is verdict
    assert result.line.startswith(f"AMI-WATCHER {verdict.name} - boston: {sentence}")


NS3 = {"ns3": PublicRole(4, "dallas")}


@pytest.mark.parametrize(
    ("other_machine", "verdict", "words"),
    [
        (
            OtherMachine(),
            PluginStatus.UNKNOWN,
            "nobody looked whether dallas holds the trunks",
        ),  # there may be no dallas
        (OtherMachine(roles=NS3), PluginStatus.UNKNOWN, "the name servers call dallas primary, and nobody looked"),
        (seen(3600), PluginStatus.UNKNOWN, "nobody looked"),  # an hour ago proves nothing of now
        (seen(60, held=frozenset(("acme",))), PluginStatus.WARNING, "dallas did not hold metro and nova"),
        (seen(60, is_primary=False), PluginStatus.CRITICAL, "dallas is not primary either"),
        (None, PluginStatus.OK, "as it should be: dallas held the trunks 60 s ago"),
    ],
)
def test_a_standby_says_of_the_other_machine_what_was_seen_and_when(
    other_machine: OtherMachine | None, verdict: PluginStatus, words: str
) -> None:
    document = registrations(STANDBY, other_machine)
    assert words in document.sentence
    assert judged(document, contacts(STANDBY)).status is verdict
    text = printed(tables.registrations(document))
    assert ("nothing to do" in text) is (verdict is PluginStatus.OK)
    assert "holds it" not in " ".join(text.split()).replace("whether dallas holds it", "")


@pytest.mark.parametrize(
    ("other_machine", "overtaken"),
    [
        (OtherMachine(own_epoch=3, roles=NS3), True),  # one name server that says so is enough to say so
        (seen(60, own_epoch=3), True),  # or dallas itself
        (OtherMachine(own_epoch=4, roles=NS3), False),
        (OtherMachine(own_epoch=3, roles={"ns3": PublicRole(999_999_999_999, "dallas")}), False),  # made up
        (
            OtherMachine(own_epoch=3, roles={"ns3": PublicRole(4, "boston")}),
            False,
        ),  # its own, which it has yet to hear of
        (OtherMachine(own_epoch=0, roles=NS3), False),  # by a person's word: there is no number to be later than
        (seen(3600, own_epoch=3), False),
    ],
)
def test_a_primary_that_was_overtaken_says_so_before_anything_else(
    other_machine: OtherMachine, overtaken: bool
) -> None:
    for snapshot in (a_snapshot(), a_snapshot(link=LinkState.LOST, link_reason="Nothing listens there.")):
        document = registrations(snapshot, other_machine)
        assert document.overtaken is overtaken
        if overtaken:
            assert document.sentence.startswith("boston was overtaken: ")
            assert "dallas was promoted with 4, later than its 3" in document.sentence
            assert document.detail is not None
            assert "type: failover demote" in document.detail
            assert judged(document, contacts(snapshot)).status is PluginStatus.CRITICAL
            assert printed(tables.registrations(document)).rstrip().endswith("next     failover demote")
    assert not registrations(STANDBY, other_machine).overtaken


def test_a_pair_toml_that_is_not_in_force_is_no_green_page() -> None:
    document = registrations(a_snapshot(), problem="The configuration was not taken over: it is not TOML.")
    assert (document.level, document.detail) == ("warning", "The configuration was not taken over: it is not TOML.")


def test_why_is_said_beside_the_sentence() -> None:
    assert registrations(some(acme=RegistrationState.REJECTED)).detail == "acme: forbidden"
    lost = registrations(a_snapshot(link=LinkState.LOST, link_reason="Nothing listens there."))
    assert lost.detail == "Nothing listens there."


def test_numbers_are_for_charts_and_cannot_be_forged_by_a_name() -> None:
    result = judged(
        registrations(some(acme=RegistrationState.REJECTED)), contacts(a_snapshot(), "201", "202"), missing_warning=5
    )
    words, _, numbers = result.line.partition(" | ")
    assert "|" not in words
    assert numbers.split()[:2] == ["registered=2;;;0;3", "unexpected=0;;0;0"]
    assert numbers.split()[3:] == ["contacts=1;;;0", "missing=2;5;;0"]
    assert PluginResult(PluginStatus.OK, "a|b\nc", "n=1").line == "AMI-WATCHER OK - a/b c | n=1"


@pytest.mark.parametrize(
    ("limit", "verdict"), [(None, PluginStatus.OK), (2, PluginStatus.WARNING), (3, PluginStatus.OK)]
)
def test_phones_that_are_missing_warn_where_one_asked_for_it(limit: int | None, verdict: PluginStatus) -> None:
    document = registrations(a_snapshot())
    assert judged(document, contacts(a_snapshot(), "201", "202"), missing_warning=limit).status is verdict


def test_a_reason_that_all_share_is_said_once() -> None:
    lost = a_snapshot(
        link=LinkState.LOST,
        link_reason="Nothing listens there.",
        registrations=(a_registration("acme", RegistrationState.UNKNOWN, cause="Nothing listens there."),),
    )
    assert [row.cause for row in registrations(lost).registrations if row.state == "unknown"] == [None]


def printed(what: RenderableType, width: int = 100) -> str:
    sink = io.StringIO()
    Console(file=sink, width=width, markup=False, emoji=False, highlight=False).print(what)
    return sink.getvalue()


@pytest.mark.parametrize(("snapshot", "verdict", "level", "sentence"), SITUATIONS)
def test_the_table_says_it_and_ends_with_what_to_type(
    snapshot: Snapshot, verdict: PluginStatus, level: str, sentence: str
) -> None:
    text = printed(tables.registrations(registrations(snapshot)))
    assert sentence in text
    last = text.rstrip().splitlines()[-1]
    assert last.startswith("next     ")
    assert (last == "next     nothing to do") == (level == "good")


def test_the_missing_are_listed_with_when_they_are_due() -> None:
    text = printed(tables.missing(contacts(a_snapshot(), "201")))
    assert "1 phone of dallas has not come back" in text
    assert "30 s ago" in text
    assert "dig +short" in text
    alive = printed(tables.missing(contacts(a_snapshot(), "201", age_s=10.0)))
    assert "1 phone is on dallas" in alive
    assert alive.rstrip().endswith("next     nothing to do")


def test_a_standby_misses_nobody_however_late_the_sync_brings_the_list() -> None:
    document = contacts(STANDBY, "201", "202", age_s=3000.0)
    assert (document.missing, document.still_there) == ((), 2)
    assert document.other_sentence == "2 phones are on dallas, as of 50 min ago; nobody is missing."


def test_what_a_phone_calls_itself_cannot_command_a_terminal() -> None:
    hostile = "\x1b[2J\x07\u202eevil"
    snapshot = a_snapshot(contacts=(a_phone(hostile, user_agent=hostile),))
    assert "\x1b" not in printed(tables.contacts(contacts(snapshot)))


@pytest.mark.parametrize(
    "other",
    [{}, {"total": 1e999, "missing": [], "other_sentence": ""}, {"total": 1, "missing": None, "other_sentence": ""}],
)
def test_documents_of_another_version_are_misread_in_ways_that_the_command_expects(other: dict[str, object]) -> None:
    known = json.loads(registrations(a_snapshot()).model_dump_json())
    with pytest.raises(MISREAD):
        report_from(known, other)
    with pytest.raises(MISREAD):
        report_from({**known, "registrations": ["acme"]}, json.loads(contacts(a_snapshot()).model_dump_json()))
