"""Expected registrations beside listed ones."""

from __future__ import annotations

import pytest

from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import ListedRegistration, RegistrationLists, listed_from, matches
from localized.activation.comparison import Comparison, compare, refused_before, worth_waiting_for

ALL = frozenset({"sip", "iax2", "pjsip"})
ACME = ExpectedRegistration("acme", "sip", "5551000", "sip.acme.example", 5060, here=True, required=True)
NOVA = ExpectedRegistration("nova", "pjsip", "nova", "sip.nova.example", 5060, here=True)
METRO = ExpectedRegistration("metro", "iax2", "m", "192.0.2.5", 4569, here=False)


def sip(state: str, host: str = "sip.acme.example") -> ListedRegistration:
    return ListedRegistration("sip", None, "5551000", host, 5060, state)


def nova(state: str) -> ListedRegistration:
    return ListedRegistration("pjsip", "nova", "nova", "sip.nova.example", None, state)


METRO_LISTED = ListedRegistration("iax2", None, "m", "192.0.2.5", 4569, "Registered")


def found(*listed: ListedRegistration, modules: frozenset[str] = ALL) -> Comparison:
    return compare((ACME, NOVA, METRO), RegistrationLists(listed, modules))


@pytest.mark.parametrize(
    ("listed", "settled", "missing", "unwanted", "foreign"),
    [
        ((sip("Registered"), nova("Registered")), True, [], [], 0),
        ((sip("Request Sent"), nova("Registered")), False, ["acme"], [], 0),
        ((sip("Registered"),), False, ["nova"], [], 0),
        ((sip("Registered"), nova("Registered"), METRO_LISTED), False, [], ["metro"], 0),
        ((sip("Registered"), sip("Rejected"), nova("Registered")), False, ["acme"], [], 0),  # twice: one is not ours
        ((sip("Registered"), nova("Registered"), sip("Registered", "other.example")), True, [], [], 1),
        ((sip("Lagged"), nova("Registered")), False, ["acme"], [], 0),  # an unknown word is no success
    ],
)
def test_the_lists_are_as_expected_or_the_difference_is_named(
    listed: tuple[ListedRegistration, ...], settled: bool, missing: list[str], unwanted: list[str], foreign: int
) -> None:
    comparison = found(*listed)
    assert comparison.settled is settled
    assert [row.wanted.trunk for row in comparison.missing] == missing
    assert [row.wanted.trunk for row in comparison.unwanted] == unwanted
    assert len(comparison.foreign) == foreign


def test_an_ipv6_registrar_is_listed_in_brackets_and_is_the_same_for_everyone_who_compares() -> None:
    trunk = ExpectedRegistration("six", "sip", "5551000", "2001:db8::5", 5060, here=True)
    for host in ("[2001:db8::5]", "2001:DB8:0::5"):
        item = {"Event": "RegistryEntry", "Host": host, "Port": "5060", "Username": "5551000", "State": "Registered"}
        listed = listed_from("sip", item)
        assert listed is not None
        assert matches(listed, trunk)
        assert compare((trunk,), RegistrationLists((listed,), ALL)).settled
    raw = ListedRegistration("sip", None, "5551000", "[2001:db8::5]", 5060, "Registered")
    assert matches(raw, trunk)


def test_a_module_that_is_not_there_is_said() -> None:
    row = found(nova("Registered"), modules=frozenset({"pjsip"})).rows[0]
    assert row.state == "module not loaded"


@pytest.mark.parametrize(
    ("acme", "other", "worth"),
    [
        ("Registered", "Rejected", False),  # waits for the other machine's binding: minutes
        ("Registered", "Unregistered", True),
        ("Rejected", "Rejected", True),  # required: it is waited for, whatever the carrier does
        ("Request Sent", "Rejected", True),
    ],
)
def test_a_refusal_by_design_is_not_waited_for_unless_it_is_required(acme: str, other: str, worth: bool) -> None:
    assert worth_waiting_for(found(sip(acme), nova(other)), frozenset({"acme", "nova"})) is worth


IAX = ExpectedRegistration("harbour", "iax2", "h", "192.0.2.5", 4569, here=True)
PORT = ExpectedRegistration("port", "iax2", "p", "192.0.2.5", 4569, here=True)


def iax(user: str, state: str) -> ListedRegistration:
    return ListedRegistration("iax2", None, user, "192.0.2.5", 4569, state)


@pytest.mark.parametrize(
    ("listed", "reloaded", "asked"),
    [
        ((sip("Rejected"), nova("Rejected")), frozenset(), ["acme", "nova"]),
        ((sip("No Authentication"), nova("Registered")), frozenset(), ["acme"]),
        ((sip("Rejected"), nova("Rejected")), frozenset({"sip"}), ["nova"]),  # what sip lists is the answer of now
        ((sip("Request Sent"), nova("Unregistered")), frozenset(), []),  # no carrier said no: Asterisk goes on trying
        ((sip("Registered"), nova("Registered"), iax("h", "Rejected")), frozenset(), ["harbour"]),
        # a reload of chan_iax2 would forget the good one
        ((sip("Registered"), nova("Registered"), iax("h", "Rejected"), iax("p", "Registered")), frozenset(), []),
        ((sip("Registered"), nova("Registered"), iax("h", "Rejected"), iax("other", "Registered")), frozenset(), []),
        ((iax("m", "Rejected"),), frozenset(), []),  # it must not register here
    ],
)
def test_what_was_refused_before_is_asked_for_again_where_nothing_good_is_lost(
    listed: tuple[ListedRegistration, ...], reloaded: frozenset[str], asked: list[str]
) -> None:
    comparison = compare((ACME, NOVA, METRO, IAX, PORT), RegistrationLists(listed, ALL))
    assert [row.wanted.trunk for row in refused_before(comparison, reloaded)] == asked
