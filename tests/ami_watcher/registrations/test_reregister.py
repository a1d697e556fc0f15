"""When Asterisk has given up for ever, and what is done about it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import ListedRegistration
from ami_watcher.registrations.registration import Registration
from ami_watcher.registrations.registry import TrunkStatus
from ami_watcher.registrations.reregister import LONGEST_PAUSE_S, ReregistrationSchedule
from ami_watcher.registrations.state_words import MEANING, RegistrationState

ACME = ExpectedRegistration("acme", "sip", "5551000", "192.0.2.5", 5060, here=True)
NOVA = ExpectedRegistration("nova", "pjsip", "5552000", "192.0.2.5", 5060, here=True)
METRO = ExpectedRegistration("metro", "iax2", "5556000", "192.0.2.5", 4569, here=True)


def standing(
    wanted: ExpectedRegistration,
    raw: str,
    *,
    since: float = 0.0,
    heard: float | None = None,
    retry_s: int | None = 60,
    persistent: bool = False,
    stateless: bool = False,
) -> TrunkStatus:
    name = wanted.trunk if wanted.channel == "pjsip" else None
    listed = ListedRegistration(
        wanted.channel,
        name,
        wanted.username,
        wanted.host,
        wanted.port,
        raw,
        retry_s=retry_s,
        persistent=persistent,
        stateless=stateless,
    )
    return TrunkStatus(wanted, listed, Registration(wanted.trunk, wanted.channel, MEANING[raw], since, raw=raw), heard)


@pytest.mark.parametrize(
    ("one", "now", "kicked"),
    [
        (standing(ACME, "No Authentication"), 30.0, "Reload chan_sip"),
        (standing(ACME, "Rejected"), 30.0, "Reload chan_sip"),
        (standing(ACME, "Failed"), 30.0, "Reload chan_sip"),
        (standing(ACME, "No Authentication"), 29.9, None),  # left alone first
        (standing(ACME, "Request Sent"), 900.0, None),  # chan_sip goes on by itself
        (standing(ACME, "Unregistered"), 900.0, None),
        (standing(ACME, "Registered"), 900.0, None),
        (standing(NOVA, "Rejected"), 101.9, None),  # PJSIP may still try: its pause, and one transaction
        (standing(NOVA, "Rejected"), 102.0, "PJSIPRegister nova"),
        (standing(NOVA, "Rejected", heard=50.0), 102.0, None),  # it tried again at 50
        (standing(NOVA, "Rejected", heard=50.0), 152.0, "PJSIPRegister nova"),
        (standing(NOVA, "Rejected", retry_s=5), 47.0, "PJSIPRegister nova"),
        (standing(NOVA, "Rejected", retry_s=None), 102.0, "PJSIPRegister nova"),
        (standing(NOVA, "Rejected", persistent=True), 900.0, None),  # it goes on by itself, event or no event
        (standing(NOVA, "Unregistered"), 11.9, None),  # its first REGISTER may not have been sent yet
        (standing(NOVA, "Unregistered"), 12.0, "PJSIPRegister nova"),
        (standing(NOVA, "Unregistered", persistent=True), 12.0, "PJSIPRegister nova"),  # nothing follows an un-REGISTER
        (standing(NOVA, "Unregistered", since=100.0), 111.0, None),
        (standing(NOVA, "Unregistered", stateless=True), 12.0, "PJSIPRegister *all"),
        (standing(METRO, "Rejected"), 900.0, None),  # chan_iax2 never gives up
    ],
)
def test_what_has_given_up_is_started_again(one: TrunkStatus, now: float, kicked: str | None) -> None:
    found = ReregistrationSchedule(after_s=30.0).due([one], now, may_shared=True)
    assert [kick.done for kick in found] == ([] if kicked is None else [kicked])


def test_a_machine_without_the_right_starts_nothing_that_is_shared() -> None:
    both = [standing(ACME, "No Authentication"), standing(NOVA, "Rejected")]
    assert ReregistrationSchedule(after_s=30.0).due(both, 1000.0, may_shared=False) == ()


def test_its_own_accounts_it_starts_again_unless_a_shared_one_would_go_with_them() -> None:
    own = standing(replace(ACME, trunk="own", shared=False), "Failed")
    assert [kick.trunks for kick in ReregistrationSchedule(after_s=30.0).due([own], 1000.0, may_shared=False)] == [
        ("own",)
    ]
    shared = standing(ACME, "Registered")
    assert ReregistrationSchedule(after_s=30.0).due([own, shared], 1000.0, may_shared=False) == ()
    # A shared line that a standby registers although it should not would be sent anew as well.
    assert (
        ReregistrationSchedule(after_s=30.0).due([own], 1000.0, may_shared=False, unexpected=frozenset({"sip"})) == ()
    )


def test_one_reload_serves_all_of_chan_sip_and_names_whom() -> None:
    lines = [standing(replace(ACME, trunk=name), "Failed") for name in ("a", "b")] + [standing(ACME, "Registered")]
    [kick] = ReregistrationSchedule(after_s=30.0).due(lines, 1000.0, may_shared=True)
    assert kick.trunks == ("a", "b")
    assert kick.fields == (("Module", "chan_sip"),)


def test_what_stays_unregistered_is_asked_for_until_it_is_not() -> None:
    kicks = ReregistrationSchedule(after_s=30.0)
    at = [n for n in range(60) if kicks.due([standing(NOVA, "Unregistered")], float(n), may_shared=True)]
    assert at == [12, 24, 36, 48]


@pytest.mark.parametrize(
    ("other", "may_shared", "asked"),
    [
        (standing(replace(NOVA, trunk="other"), "Unregistered", stateless=True), True, ["PJSIPRegister *all"]),
        (standing(replace(NOVA, trunk="other"), "Registered"), True, []),  # it would be taken back first
        (standing(replace(NOVA, trunk="other"), "Unregistered", stateless=True), False, []),
        (standing(ACME, "Registered"), True, ["PJSIPRegister *all"]),  # chan_sip has nothing to do with it
    ],
)
def test_all_of_pjsip_is_asked_for_where_no_state_is_left_and_nothing_is_held(
    other: TrunkStatus, may_shared: bool, asked: list[str]
) -> None:
    found = ReregistrationSchedule(after_s=30.0).due(
        [standing(NOVA, "Unregistered", stateless=True), other], 60.0, may_shared=may_shared
    )
    assert [kick.done for kick in found] == asked


def test_a_carrier_that_goes_on_refusing_is_asked_ever_more_rarely() -> None:
    kicks = ReregistrationSchedule(after_s=30.0)
    at = []
    for now in range(7200):
        if kicks.due([standing(ACME, "No Authentication")], float(now), may_shared=True):
            at.append(now)
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert at[0] == 30
    assert pauses[:5] == [60, 120, 240, 480, int(LONGEST_PAUSE_S)]
    assert set(pauses[5:]) == {int(LONGEST_PAUSE_S)}


def test_success_forgets_the_attempts() -> None:
    kicks = ReregistrationSchedule(after_s=30.0)
    assert kicks.due([standing(ACME, "Failed")], 30.0, may_shared=True)
    assert not kicks.due([standing(ACME, "Failed", since=31.0)], 80.0, may_shared=True)  # the pause has doubled
    kicks.due([standing(ACME, "Registered")], 81.0, may_shared=True)
    assert kicks.due([standing(ACME, "Failed", since=85.0)], 115.0, may_shared=True)


def test_an_account_that_the_other_machine_still_holds_is_taken_soon_after_its_binding_ends() -> None:
    strict = replace(ACME, trunk="strict", held_elsewhere_s=600.0)
    kicks = ReregistrationSchedule(after_s=30.0)
    at = [now for now in range(7200) if kicks.due([standing(strict, "No Authentication")], float(now), may_shared=True)]
    for ended in range(601):
        assert min(moment for moment in at if moment >= ended) - ended <= 30
    # A refusal that outlasts it has another reason, and is asked about ever more rarely.
    after = [later - earlier for earlier, later in pairwise(at) if earlier >= 630]
    assert after[:4] == [60, 120, 240, 480]


def test_a_registration_that_nobody_lists_is_not_kicked() -> None:
    gone = TrunkStatus(NOVA, None, Registration("nova", "pjsip", RegistrationState.GONE, 0.0), None)
    assert ReregistrationSchedule(after_s=30.0).due([gone], 1000.0, may_shared=True) == ()
