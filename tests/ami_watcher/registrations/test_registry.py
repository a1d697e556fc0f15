"""All registrations of one Asterisk, against what should be: tables first, then a machine that does anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import ListedRegistration, RegistrationLists, listed_from
from ami_watcher.registrations.registry import RegistrationChange, RegistrationRegistry, Timing
from ami_watcher.registrations.state_words import MEANING, RegistrationState

ACME = ExpectedRegistration("acme", "sip", "5551000", "192.0.2.5", 5060, here=True)
METRO = ExpectedRegistration("metro", "iax2", "5556000", "192.0.2.5", 4569, here=True)
NOVA = ExpectedRegistration("nova", "pjsip", "5552000", "192.0.2.5", 5060, here=True)
ALL = (ACME, METRO, NOVA)
EVERY_MODULE = frozenset({"sip", "iax2", "pjsip"})
TIMING = Timing(poll_s=5.0, stale_s=15.0, refresh_grace_s=30.0)


def listed(wanted: ExpectedRegistration, state: str = "Registered") -> ListedRegistration:
    """How Asterisk lists a trunk."""
    if wanted.channel == "pjsip":
        client, server = f"sip:{wanted.username}@{wanted.host}", f"sip:{wanted.host}"
        return ListedRegistration(
            "pjsip", wanted.trunk, wanted.username, wanted.host, None, state, 60, client, server, 60
        )
    return ListedRegistration(wanted.channel, None, wanted.username, wanted.host, wanted.port, state, 105)


def lists(*entries: ListedRegistration, modules: frozenset[str] = EVERY_MODULE) -> RegistrationLists:
    return RegistrationLists(tuple(entries), modules, "16.28.0")


def states(registry: RegistrationRegistry) -> dict[str, str]:
    return {one.trunk: one.state.value for one in registry.registrations}


def told(shifts: Sequence[RegistrationChange]) -> list[tuple[str, str, str]]:
    found = []
    for shift in shifts:
        one = shift.after or shift.before
        assert one is not None
        before, after = (each.state.value if each else "" for each in (shift.before, shift.after))
        found.append((one.trunk, before, after))
    return found


def registry(*wanted: ExpectedRegistration) -> RegistrationRegistry:
    made = RegistrationRegistry(wanted, timing=TIMING)
    made.expect(wanted, 0.0)
    return made


def test_before_the_first_list_everything_expected_is_unknown() -> None:
    assert states(registry(*ALL)) == {"acme": "unknown", "metro": "unknown", "nova": "unknown"}


def test_what_is_listed_is_what_is() -> None:
    made = registry(*ALL)
    shifts = made.listed(lists(listed(ACME), listed(METRO, "Timeout"), listed(NOVA, "Rejected")), 1.0)
    assert told(shifts) == [
        ("acme", "unknown", "registered"),
        ("metro", "unknown", "unregistered"),
        ("nova", "unknown", "rejected"),
    ]


def test_what_is_expected_and_not_listed_is_gone_and_a_missing_module_is_named() -> None:
    made = registry(ACME, NOVA)
    made.listed(lists(listed(NOVA), modules=frozenset({"pjsip", "iax2"})), 1.0)
    assert states(made) == {"acme": "gone", "nova": "registered"}
    assert made.registrations[0].cause == "chan_sip.so is not loaded in this Asterisk"


def test_a_standby_that_registers_a_shared_trunk_is_unexpected_under_its_trunk() -> None:
    made = registry(replace(ACME, here=False), NOVA)
    assert states(made) == {"nova": "unknown"}
    made.listed(lists(listed(ACME), listed(NOVA)), 1.0)
    assert states(made) == {"acme": "unexpected", "nova": "registered"}
    made.listed(lists(listed(NOVA)), 2.0)
    assert states(made)["acme"] == "unexpected", "one list may have been read in the middle of a reload"
    shifts = made.listed(lists(listed(NOVA)), 3.0)
    assert told(shifts) == [("acme", "unexpected", "")]


def test_a_registration_of_no_trunk_is_unexpected_under_its_own_name() -> None:
    made = registry(ACME)
    stranger = ListedRegistration("sip", None, "999", "other.example", 5060, "Registered", 105)
    made.listed(lists(listed(ACME), stranger), 1.0)
    assert states(made) == {"acme": "registered", "999@other.example": "unexpected"}


def test_twice_the_same_line_is_one_expected_and_one_not() -> None:
    made = registry(ACME)
    made.listed(lists(listed(ACME), listed(ACME)), 1.0)
    assert sorted(one.state.value for one in made.registrations) == ["registered", "unexpected"]


def test_another_role_turns_unexpected_into_expected_and_back() -> None:
    made = registry(replace(ACME, here=False))
    made.listed(lists(listed(ACME)), 1.0)
    made.expect([ACME], 2.0)
    assert states(made) == {"acme": "unknown"}
    made.listed(lists(listed(ACME)), 3.0)
    assert states(made) == {"acme": "registered"}
    shifts = made.expect([replace(ACME, here=False)], 4.0)
    assert told(shifts) == [("acme", "registered", "")]
    made.listed(lists(listed(ACME)), 5.0)
    assert states(made) == {"acme": "unexpected"}


def test_a_lost_link_and_an_old_proof_are_both_unknown() -> None:
    made = registry(ACME)
    made.listed(lists(listed(ACME)), 1.0)
    assert made.tick(16.0) == ()
    assert told(made.tick(16.1)) == [("acme", "registered", "unknown")]
    assert made.registrations[0].cause == "the last list is 15 s old"
    made.listed(lists(listed(ACME)), 17.0)
    assert states(made) == {"acme": "registered"}
    made.lost("Asterisk ended the connection.", 18.0)
    assert states(made) == {"acme": "unknown"}


def event(channel: str, username: str, domain: str, status: str, **more: str) -> dict[str, str]:
    return {"ChannelType": channel, "Username": username, "Domain": domain, "Status": status, **more}


@pytest.mark.parametrize(
    ("hint", "known"),
    [
        (event("SIP", "5551000", "192.0.2.5", "Registered"), True),
        (event("IAX2", "5556000", "192.0.2.5:4569", "Rejected", Cause="Registration Refused"), True),
        (event("PJSIP", "sip:5552000@192.0.2.5", "sip:192.0.2.5", "Rejected"), True),
        (event("SIP", "5551000", "192.0.2.9", "Registered"), False),
        (event("IAX2", "5556000", "192.0.2.5:4570", "Registered"), False),
        (event("IAX2", "5556000", "(null)", "Registered"), False),
        (event("PJSIP", "5552000", "192.0.2.5", "Registered"), False),
        (event("DAHDI", "1", "2", "Registered"), False),
        ({}, False),
    ],
)
def test_events_name_registrations_as_each_driver_does(hint: dict[str, str], known: bool) -> None:
    made = registry(*ALL)
    made.listed(lists(*map(listed, ALL)), 1.0)
    assert made.hint(hint, 2.0) is known


def test_an_event_alone_changes_no_state() -> None:
    made = registry(METRO)
    made.listed(lists(listed(METRO)), 1.0)
    made.hint(event("IAX2", "5556000", "192.0.2.5:4569", "Rejected", Cause="Registration Refused"), 2.0)
    assert states(made) == {"metro": "registered"}
    made.listed(lists(listed(METRO, "Rejected")), 2.1)
    assert made.registrations[0].cause == "the carrier says: Registration Refused"


def test_a_refusal_that_is_told_while_a_list_is_under_way_keeps_its_cause() -> None:
    made = registry(METRO)
    made.listed(lists(listed(METRO)), 1.0)
    made.hint(event("IAX2", "5556000", "192.0.2.5:4569", "Rejected", Cause="Registration Refused"), 2.1)
    made.listed(lists(listed(METRO)), 2.2, asked=2.0)  # asked before the refusal, and so it still shows success
    made.listed(lists(listed(METRO, "Rejected")), 3.0, asked=2.9)
    assert made.registrations[0].cause == "the carrier says: Registration Refused"


def test_success_ends_what_an_event_said_although_no_event_says_so() -> None:
    made = registry(METRO)
    made.listed(lists(listed(METRO)), 1.0)
    made.hint(event("IAX2", "5556000", "192.0.2.5:4569", "Rejected", Cause="Registration Refused"), 2.0)
    for raw, at in (("Rejected", 2.1), ("Registered", 60.0), ("Timeout", 120.0)):
        made.listed(lists(listed(METRO, raw)), at)
    assert made.registrations[0].cause == "the carrier does not answer"


def test_a_cause_from_outside_is_one_printable_line() -> None:
    made = registry(METRO)
    made.listed(lists(listed(METRO)), 1.0)
    hostile = "a\x1b[2J\nforged: line" + "x" * 5000
    made.hint(event("IAX2", "5556000", "192.0.2.5:4569", "Rejected", Cause=hostile), 2.0)
    made.listed(lists(listed(METRO, "Rejected")), 2.1)
    cause = made.registrations[0].cause or ""
    assert cause.isprintable()
    assert len(cause) < 300


def test_an_iax_server_is_found_by_the_address_that_its_name_stands_for() -> None:
    named = replace(METRO, host="iax.carrier.example")
    other = replace(METRO, trunk="other", host="iax.other.example")
    addresses = {
        "iax.carrier.example": frozenset({"192.0.2.5"}),
        "iax.other.example": frozenset({"192.0.2.99"}),
    }
    made = RegistrationRegistry((other, named), timing=TIMING, addresses=addresses)
    made.expect((other, named), 0.0)
    made.listed(lists(listed(METRO)), 1.0)
    assert states(made) == {"metro": "registered", "other": "gone"}


def test_a_carrier_whose_name_has_other_addresses_by_now_is_still_itself() -> None:
    named = replace(METRO, host="iax.carrier.example")
    made = RegistrationRegistry((named,), timing=TIMING, addresses={"iax.carrier.example": frozenset({"192.0.2.77"})})
    made.expect((named,), 0.0)
    made.listed(lists(listed(METRO)), 1.0)
    assert states(made) == {"metro": "registered"}


VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["Registered", "192.0.2.5:4569", "[::1]:4569", "sip:x@[::1]:5060;a=b", "99999999999999", "-1", "٣"]
    ),
)
HEADERS = st.sampled_from(
    ["Host", "Port", "Username", "Refresh", "State", "ObjectName", "ClientUri", "ServerUri", "Status", "Expiration"]
)


@given(
    items=st.lists(
        st.tuples(st.sampled_from(["sip", "iax2", "pjsip"]), st.dictionaries(HEADERS, VALUES)),
        max_size=6,
    )
)
def test_no_list_is_too_strange(items: list[tuple[str, dict[str, str]]]) -> None:
    """Whatever carriers and admins put into names and addresses, lists are read and everything is accounted for."""
    names = {"sip": "RegistryEntry", "iax2": "RegistryEntry", "pjsip": "OutboundRegistrationDetail"}
    entries = [listed_from(channel, {"Event": names[channel], **item}) for channel, item in items]
    made = registry(*ALL)
    made.listed(lists(*(entry for entry in entries if entry is not None)), 1.0)
    unexpected = sum(one.state is RegistrationState.UNEXPECTED for one in made.registrations)
    found = sum(one.state not in (RegistrationState.GONE, RegistrationState.UNEXPECTED) for one in made.registrations)
    assert unexpected + found == len(items)
    assert all((one.cause or "").isprintable() and one.trunk.isprintable() for one in made.registrations)


RAW = st.sampled_from([*MEANING, "Lagged", ""])


class AnythingHappens(RuleBasedStateMachine):
    """Lists, events, lost links and role changes, in any order: what is shown is never better than what is true."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.here = dict.fromkeys(("acme", "metro", "nova"), True)
        self.wanted = {one.trunk: one for one in ALL}
        self.registry = registry(*ALL)
        self.registered_at: dict[str, float] = {}
        self.linked = False
        self.shown = states(self.registry)

    def _expected(self) -> tuple[ExpectedRegistration, ...]:
        return tuple(replace(one, here=self.here[name]) for name, one in self.wanted.items())

    def _follow(self, shifts: Sequence[RegistrationChange]) -> None:
        """Applies what was told to what was shown: nothing changes in silence, and nothing is told that did not."""
        for trunk, before, after in told(shifts):
            assert self.shown.get(trunk, "") == before
            assert before != after
            if after:
                self.shown[trunk] = after
            else:
                del self.shown[trunk]

    @rule(seconds=st.floats(0.01, 40.0))
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds
        self._follow(self.registry.tick(self.now))

    @rule(raws=st.dictionaries(st.sampled_from(["acme", "metro", "nova"]), RAW))
    def lists_are_read(self, raws: dict[str, str]) -> None:
        self.now += 0.01
        entries = [listed(self.wanted[name], raw) for name, raw in raws.items()]
        self._follow(self.registry.listed(lists(*entries), self.now))
        self.linked = True
        for name in self.wanted:
            if raws.get(name) == "Registered":
                self.registered_at[name] = self.now
        for one in self.registry.registrations:
            if raws.get(one.trunk) == "Registered":
                # What a list shows as held is held, or should not be.
                assert one.state in (RegistrationState.REGISTERED, RegistrationState.UNEXPECTED)

    @rule()
    def the_link_is_lost(self) -> None:
        self._follow(self.registry.lost("cut", self.now))
        self.linked = False

    @rule(name=st.sampled_from(["acme", "metro", "nova"]), here=st.booleans())
    def the_role_changes(self, name: str, here: bool) -> None:
        self.here[name] = here
        self._follow(self.registry.expect(self._expected(), self.now))

    @rule(status=st.sampled_from(["Registered", "Rejected", "x"]), cause=st.text(max_size=5))
    def an_event_comes(self, status: str, cause: str) -> None:
        before = states(self.registry)
        self.registry.hint(event("IAX2", "5556000", "192.0.2.5:4569", status, Cause=cause), self.now)
        assert states(self.registry) == before

    @invariant()
    def what_was_told_is_what_is_shown(self) -> None:
        assert self.shown == states(self.registry)

    @invariant()
    def registered_is_shown_only_on_fresh_proof_of_something_expected(self) -> None:
        for one in self.registry.registrations:
            if one.state is RegistrationState.REGISTERED:
                assert self.linked
                assert self.here[one.trunk]
                assert (
                    self.now - self.registered_at[one.trunk] <= TIMING.refresh_grace_s + TIMING.poll_s + TIMING.stale_s
                )

    @invariant()
    def everything_expected_is_shown(self) -> None:
        assert {name for name, here in self.here.items() if here} <= set(states(self.registry))


AnythingHappens.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
test_anything_happens = AnythingHappens.TestCase
