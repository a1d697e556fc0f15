"""Exit code, notes and the next command, from what Asterisk's lists showed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ami_watcher.registrations.expected import expected_registrations
from ami_watcher.registrations.lists import ListedRegistration, RegistrationLists
from host.exits import Exit
from localized.activation.comparison import compare
from localized.activation.outcome import ActivationOutcome, judge
from localized.activation.sentences import next_command, notes
from localized.asterisk.refusals import read_log
from localized.role import Role
from tests.localized.example import example

ALL = frozenset({"sip", "iax2", "pjsip"})


def acme(state: str = "Registered") -> ListedRegistration:
    return ListedRegistration("sip", None, "5551000", "sip.acme.example", 5060, state)


def metro(state: str = "Registered") -> ListedRegistration:
    return ListedRegistration("iax2", None, "metro1", "192.0.2.9", 4570, state)


def nova(state: str = "Registered") -> ListedRegistration:
    return ListedRegistration("pjsip", "nova", "nova", "sip.nova.example", None, state)


OTHER = ListedRegistration("sip", None, "stranger", "h.example", 5060, "Registered")


def judged(role: Role, *listed: ListedRegistration, log: str = "", modules: frozenset[str] = ALL) -> ActivationOutcome:
    pair = example()
    trunks = expected_registrations(pair, "boston", "primary" if role is Role.PRIMARY else "standby")
    outcome = ActivationOutcome(role, "boston", "7-test-000000000000")
    judge(outcome, compare(trunks, RegistrationLists(listed, modules)), pair, read_log(log))
    return outcome


@pytest.mark.parametrize(
    ("role", "listed", "code", "note"),
    [
        (Role.PRIMARY, (acme(), metro(), nova()), Exit.DONE, None),
        (Role.PRIMARY, (acme("Request Sent"), metro(), nova()), Exit.FAILED, "acme: no answer from sip.acme.example"),
        (Role.PRIMARY, (acme("Rejected"), metro(), nova()), Exit.FAILED, "chan_sip gives up after a refusal"),
        (
            Role.PRIMARY,
            (acme(), nova()),
            Exit.DEGRADED,
            "metro: Asterisk lists no such registration",
        ),
        (Role.PRIMARY, (acme(), metro(), nova("Rejected")), Exit.DEGRADED, "dallas's binding ends, in at most 300 s"),
        (Role.PRIMARY, (acme(), metro(), nova(), OTHER), Exit.DONE, "Not in pair.toml, and left alone: stranger"),
        (Role.STANDBY, (metro(),), Exit.DONE, None),
        (Role.STANDBY, (metro(), acme("Request Sent")), Exit.FAILED, "acme must not register as standby"),
        (Role.STANDBY, (metro(), OTHER), Exit.DEGRADED, "stranger@h.example, which pair.toml does not know"),
        (Role.STANDBY, (), Exit.DEGRADED, "metro: Asterisk lists no such registration"),
    ],
)
def test_what_was_listed_decides(
    role: Role, listed: tuple[ListedRegistration, ...], code: Exit, note: str | None
) -> None:
    outcome = judged(role, *listed)
    assert outcome.exit is code
    assert (note in " ".join(notes(outcome))) if note else notes(outcome) == []
    assert (next_command(outcome) == "nothing to do") is (code is Exit.DONE)


DUPLICATE = (
    "ERROR[1] res_sorcery_config.c: Config file 'pjsip.conf' could not be loaded; configuration contains a duplicate "
    "object: 'nova' of type 'auth'"
)
INVALID = "ERROR[1] res_sorcery_config.c: Contents of config file 'pjsip.conf' are invalid and cannot be parsed"
ATTEMPT = "response received from 'sip:h' on registration attempt to 'sip:nova@sip.nova.example', retrying in '30'"


@pytest.mark.parametrize(
    ("trunk", "log", "said", "never"),
    [
        (None, INVALID, "nova: Asterisk refused it, and sends nothing: Contents of config file", "no answer"),
        (None, "", "nova: Asterisk lists no such registration, and sends nothing", "refuses a second registration"),
        ("Rejected", DUPLICATE, "nova: Asterisk did not load its credentials", "second registration"),
        ("Rejected", f"W: '401' fatal {ATTEMPT}", "nova: the carrier refused it with 401", "second registration"),
        (
            "Rejected",
            f"W: 403 Forbidden fatal {ATTEMPT}",
            "refuses a second registration with 403 until dallas's",
            "none",
        ),
        ("Rejected", f"W: No {ATTEMPT}", "nova: no answer from sip.nova.example", "second registration"),
        ("Unregistered", "", "nova: no answer from sip.nova.example", "second registration"),
    ],
)
def test_a_missing_trunk_is_told_as_what_is_known_of_it(trunk: str | None, log: str, said: str, never: str) -> None:
    listed = [] if trunk is None else [replace(nova(trunk), client_uri="sip:nova@sip.nova.example")]
    outcome = judged(Role.PRIMARY, acme(), metro(), *listed, log=f"{ATTEMPT}\n{log}\n" if log else "")
    told = next(note for note in notes(outcome) if note.startswith("nova:"))
    assert said in told
    assert never not in told


def test_a_module_that_is_not_loaded_is_told() -> None:
    outcome = judged(Role.PRIMARY, acme(), nova(), modules=ALL - {"iax2"})
    assert notes(outcome) == ["metro: Asterisk has not loaded the module that registers over iax2: nothing is sent."]


def test_what_asterisk_refused_is_told_though_every_list_is_as_it_should_be() -> None:
    outcome = judged(Role.PRIMARY, acme(), metro(), nova(), log=DUPLICATE)
    assert (outcome.exit, "duplicate object: 'nova' of type 'auth'" in notes(outcome)[0]) == (Exit.DEGRADED, True)


def test_another_object_that_asterisk_refused_is_told_and_degrades_nothing() -> None:
    log = "E: Could not create an object of type 'endpoint' with id 'bob' from configuration file 'pjsip.conf'"
    outcome = judged(Role.PRIMARY, acme(), metro(), nova(), log=log)
    assert (outcome.exit, "id 'bob'" in notes(outcome)[0]) == (Exit.DONE, True)


def test_a_standby_that_asterisk_refused_is_told_with_its_own_words_and_the_way_out() -> None:
    outcome = judged(Role.STANDBY, metro(), nova(), log=INVALID)
    assert outcome.exit is Exit.FAILED
    assert "goes on with what it had: Contents of config file 'pjsip.conf' are invalid" in notes(outcome)[1]
    assert "failover demote" in next_command(outcome)
