"""What a registration's raw states mean, and when a change counts."""

from __future__ import annotations

import pytest

from ami_watcher.registrations.registration import Registration, grace_s, granted_s
from ami_watcher.registrations.state_words import RegistrationState

HELD = Registration("acme", "sip", RegistrationState.REGISTERED, since=0.0, proof=100.0, raw="Registered")
PJSIP = Registration("nova", "pjsip", RegistrationState.REGISTERED, since=0.0, proof=100.0, raw="Registered")
NEW = Registration("acme", "sip", RegistrationState.UNKNOWN, since=90.0)


@pytest.mark.parametrize(
    ("before", "raw", "after_s", "expected"),
    [
        (HELD, "Registered", 5.0, RegistrationState.REGISTERED),
        (HELD, "Request Sent", 5.0, RegistrationState.REGISTERED),  # a refresh is not an outage
        (HELD, "Auth. Sent", 29.9, RegistrationState.REGISTERED),
        (HELD, "Request Sent", 30.0, RegistrationState.REGISTERING),
        (HELD, "Unregistered", 1.0, RegistrationState.REGISTERED),  # a reload makes it anew, and takes nothing back
        (HELD, "Unregistered", 30.0, RegistrationState.UNREGISTERED),
        (HELD, "Timeout", 30.0, RegistrationState.UNREGISTERED),
        (HELD, "Rejected", 0.1, RegistrationState.REJECTED),
        (HELD, "No Authentication", 0.1, RegistrationState.REJECTED),
        (HELD, "Failed", 0.1, RegistrationState.REJECTED),
        (HELD, "Lagged", 0.1, RegistrationState.UNKNOWN),
        (HELD, "", 0.1, RegistrationState.UNKNOWN),
        (PJSIP, "Unregistered", 0.1, RegistrationState.UNREGISTERED),  # PJSIP says so when it has taken it back
        (NEW, "Request Sent", 0.1, RegistrationState.REGISTERING),
        (NEW, "Registered", 0.1, RegistrationState.REGISTERED),
        (NEW, None, 0.1, RegistrationState.GONE),
    ],
)
def test_a_registration_changes_only_on_proof(
    before: Registration, raw: str | None, after_s: float, expected: RegistrationState
) -> None:
    after = before.seen(raw, 100.0 + after_s, refresh_grace_s=30.0)
    assert after.state is expected
    assert after.since == (before.since if expected is before.state else 100.0 + after_s)


def test_a_registration_is_gone_when_two_lists_leave_it_out() -> None:
    once = HELD.seen(None, 105.0, refresh_grace_s=30.0)
    assert (once.state, once.unconfirmed_since) == (RegistrationState.REGISTERED, 105.0)
    assert once.seen(None, 105.1, refresh_grace_s=30.0).state is RegistrationState.REGISTERED
    assert once.seen(None, 105.5, refresh_grace_s=30.0).state is RegistrationState.GONE
    again = once.seen("Registered", 105.5, refresh_grace_s=30.0)
    assert (again.state, again.unconfirmed_since, again.since) == (RegistrationState.REGISTERED, None, 0.0)


def test_a_refresh_keeps_the_old_proof_and_so_cannot_last() -> None:
    during = HELD.seen("Request Sent", 110.0, refresh_grace_s=30.0)
    assert during.proof == 100.0
    assert during.unconfirmed_since == 110.0
    assert during.seen("Auth. Sent", 131.0, refresh_grace_s=30.0).state is RegistrationState.REGISTERING


def test_one_that_is_listed_and_not_expected_is_unexpected_whatever_its_state() -> None:
    for raw in ("Registered", "Rejected", "Request Sent", "nonsense"):
        after = HELD.seen(raw, 101.0, expected=False, refresh_grace_s=30.0)
        assert after.state is RegistrationState.UNEXPECTED
        assert raw in (after.cause or "")


@pytest.mark.parametrize(
    ("raw", "hint", "cause"),
    [
        ("No Authentication", None, "403"),
        ("Rejected", None, "404"),
        ("Rejected", "the carrier says: Registration Refused", "Registration Refused"),
        ("Registered", "the carrier says: whatever", None),
        ("Lagged", None, "'Lagged', which we do not know"),
    ],
)
def test_a_cause_is_told_in_words_and_forgotten_on_success(raw: str, hint: str | None, cause: str | None) -> None:
    found = HELD.seen(raw, 101.0, refresh_grace_s=30.0, hint=hint).cause
    assert found is None if cause is None else cause in (found or "")


def test_what_an_event_told_stays_while_the_word_stays() -> None:
    told = HELD.seen("Rejected", 101.0, refresh_grace_s=30.0, hint="the carrier says: no")
    later = told.seen("Rejected", 102.0, refresh_grace_s=30.0)
    assert (later.cause, later.since) == ("the carrier says: no", 101.0)


def test_nobody_knows_any_more_and_the_time_says_since_when() -> None:
    lost = HELD.unknown(120.0, "the connection is lost")
    assert (lost.state, lost.since, lost.cause, lost.proof) == (
        RegistrationState.UNKNOWN,
        120.0,
        "the connection is lost",
        100.0,
    )
    assert lost.unknown(130.0, "the connection is lost") == lost
    assert lost.seen("Request Sent", 131.0, refresh_grace_s=30.0).state is RegistrationState.REGISTERING


@pytest.mark.parametrize(
    ("channel", "refresh_s", "granted"),
    [
        ("sip", 105, 120),  # chan_sip refreshes 15 s before the end
        ("sip", 44, 59),
        ("sip", 15, 19),  # and 20 % before it where that is at most 30 s; it granted 19 and kept 15
        ("sip", 8, 10),
        ("iax2", 60, 60),
        ("pjsip", 120, 120),
        ("sip", None, None),
    ],
)
def test_the_expiry_is_read_from_what_each_driver_lists(
    channel: str, refresh_s: int | None, granted: int | None
) -> None:
    assert granted_s(channel, refresh_s) == granted


@pytest.mark.parametrize(
    ("channel", "refresh_s", "grace"),
    [
        ("sip", 105, 15.0 + 5),
        ("sip", 8, 2.0 + 5),
        ("sip", 3600, 15.0 + 5),
        ("iax2", 60, 10.0 + 5),
        ("iax2", 600, 30.0 + 5),
        ("pjsip", 60, 30.0 + 5),
        ("sip", None, 30.0 + 5),
    ],
)
def test_a_refresh_may_take_no_longer_than_the_carrier_keeps_the_binding(
    channel: str, refresh_s: int | None, grace: float
) -> None:
    assert grace_s(channel, refresh_s, poll_s=5.0, refresh_grace_s=30.0) == grace
