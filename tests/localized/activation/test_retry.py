"""What an activation asks for again while it waits, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import ListedRegistration, RegistrationLists
from localized.activation.comparison import Comparison, compare
from localized.activation.retry import UNANSWERED_S, RetrySchedule

ACME = ExpectedRegistration("acme", "sip", "5551000", "sip.acme.example", 5060, here=True)
NOVA = ExpectedRegistration("nova", "pjsip", "5552000", "sip.nova.example", 5060, here=True)
METRO = ExpectedRegistration("metro", "iax2", "5556000", "192.0.2.5", 4569, here=True)
STRICT = replace(ACME, trunk="strict", held_elsewhere_s=60.0, refused_again_s=20.0)
CHANNELS = frozenset({"sip", "iax2", "pjsip"})


def listed(
    wanted: ExpectedRegistration, state: str, *, persistent: bool = False, stateless: bool = False
) -> ListedRegistration:
    name = wanted.trunk if wanted.channel == "pjsip" else None
    return ListedRegistration(
        wanted.channel,
        name,
        wanted.username,
        wanted.host,
        wanted.port,
        state,
        persistent=persistent,
        stateless=stateless,
    )


def lists(*entries: ListedRegistration) -> RegistrationLists:
    return RegistrationLists(entries, CHANNELS)


def found(wanted: ExpectedRegistration, state: str, *, persistent: bool = False, stateless: bool = False) -> Comparison:
    return compare((wanted,), lists(listed(wanted, state, persistent=persistent, stateless=stateless)))


def asked_at(asking: RetrySchedule, comparison: Comparison, seconds: int = 35) -> list[float]:
    """When it was asked for, looking five times a second."""
    return [now / 5 for now in range(seconds * 5) if asking.due(comparison, now / 5).again]


@pytest.mark.parametrize(
    ("wanted", "state", "reloaded", "at"),
    [
        (ACME, "Rejected", {"sip"}, [2.0, 6.0, 14.0, 30.0]),  # ever more rarely: some carriers ban who asks too often
        (ACME, "Rejected", set(), [0.0, 2.0, 6.0, 14.0, 30.0]),  # what was refused before is asked for at once
        (STRICT, "No Authentication", {"sip"}, [20.0]),  # its pace is that of the binding that stands in the way
        (ACME, "Request Sent", {"sip"}, []),
        (METRO, "Rejected", {"iax2"}, []),  # chan_iax2 goes on by itself, and a reload forgets what is good
        (NOVA, "Rejected", {"pjsip"}, [2.0, 6.0, 14.0, 30.0]),  # an admin's own file, that lets PJSIP give up
    ],
)
def test_what_a_carrier_refused_is_asked_for_at_its_pace(
    wanted: ExpectedRegistration, state: str, reloaded: set[str], at: list[float]
) -> None:
    assert asked_at(RetrySchedule(lists(), reloaded, 0.0), found(wanted, state)) == at


@pytest.mark.parametrize("reloaded", [set(), {"pjsip"}])
def test_pjsip_that_goes_on_by_itself_is_never_asked_for(reloaded: set[str]) -> None:
    """Asked, it would take the binding back at a carrier that may be silent, and no REGISTER would follow."""
    before = lists(listed(NOVA, "Rejected", persistent=True))
    assert asked_at(RetrySchedule(before, reloaded, 0.0), found(NOVA, "Rejected", persistent=True)) == []


def test_the_first_register_of_a_run_is_left_its_time() -> None:
    assert asked_at(RetrySchedule(lists(), {"pjsip"}, 0.0), found(NOVA, "Unregistered", persistent=True)) == []


@pytest.mark.parametrize("reloaded", [set(), {"pjsip"}])
def test_what_pjsip_held_unregistered_before_is_asked_for_until_it_is_held(reloaded: set[str]) -> None:
    before = lists(listed(NOVA, "Unregistered", persistent=True))
    asking = RetrySchedule(before, reloaded, 0.0)
    given_up = found(NOVA, "Unregistered", persistent=True)
    assert asked_at(asking, given_up, 15) == [3.0, 8.0, 13.0]
    # The un-REGISTER that goes first may be answered late, and then nothing follows: somebody has to look.
    assert asking.until(given_up, 30.0) == 3.0 + UNANSWERED_S
    assert asking.until(found(NOVA, "Registered"), 30.0) == 30.0
    assert asking.until(found(NOVA, "Rejected"), 30.0) == 30.0


def test_what_was_asked_for_and_ended_unregistered_is_asked_for_again() -> None:
    asking = RetrySchedule(lists(listed(NOVA, "Rejected")), set(), 0.0)
    assert asking.due(found(NOVA, "Rejected"), 0.0).again
    assert asked_at(asking, found(NOVA, "Unregistered"), 9) == [3.0, 8.0]


def test_what_asterisk_keeps_no_state_for_is_read_anew() -> None:
    asking = RetrySchedule(lists(), set(), 0.0)
    assert asking.due(found(NOVA, "Unregistered", stateless=True), 1.9).reread == ()
    assert asking.due(found(NOVA, "Unregistered", stateless=True), 2.0).reread == ("pjsip",)


def test_what_is_not_listed_is_read_again() -> None:
    asking = RetrySchedule(lists(), {"sip"}, 0.0)
    nothing = compare((ACME,), lists())
    assert [now for now in range(20) if asking.due(nothing, float(now)).reread] == [2, 6, 11, 16]
