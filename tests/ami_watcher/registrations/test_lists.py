"""What Asterisk lists, in one shape for three drivers and two Asterisks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ami_watcher.ami.errors import ActionLate, PrivilegeMissing
from ami_watcher.registrations.addresses import split_address
from ami_watcher.registrations.expected import (
    ExpectedRegistration,
    expected_registrations,
    hosts_to_resolve,
    resolve_hosts,
)
from ami_watcher.registrations.lists import ListedRegistration, matches, read_registrations
from lab.fakes.ami import Action, Connection, FakeAmi
from lab.fakes.recording import Recording
from lab.world.pair_toml import pair_toml
from pair.model import Pair
from pair.reading import parse
from pair.sections.machine import Ami

ACME = ExpectedRegistration("acme", "sip", "5551000", "192.0.2.5", 5060, here=True)
METRO = ExpectedRegistration("metro", "iax2", "5556000", "192.0.2.5", 4569, here=True)
NAMED = ExpectedRegistration("named", "sip", "u", "sip.carrier.Example", 5060, here=True)
NOVA = ExpectedRegistration("nova", "pjsip", "5552000", "192.0.2.5", 5060, here=True)


async def test_asterisk_16_lists_three_drivers() -> None:
    async with FakeAmi("16") as asterisk:
        found = await read_registrations(Ami(port=asterisk.port), asterisk.secret, deadline_s=30)
    assert found.version.startswith("16.28")
    assert found.modules == {"sip", "iax2", "pjsip"}
    assert found.registrations == (
        ListedRegistration("sip", None, "5551000", "192.0.2.5", 5060, "Registered", 15),
        ListedRegistration("iax2", None, "5556000", "192.0.2.5", 4569, "Registered", 60),
        ListedRegistration(
            "pjsip",
            "nova",
            "5552000",
            "192.0.2.5",
            None,
            "Registered",
            20,
            client_uri="sip:5552000@192.0.2.5",
            server_uri="sip:192.0.2.5",
            retry_s=5,
            persistent=True,
        ),
    )
    for one in (ACME, METRO, NOVA):
        assert sum(matches(listed, one) for listed in found.registrations) == 1


async def test_asterisk_22_has_no_chan_sip_and_that_is_no_error() -> None:
    async with FakeAmi("22") as asterisk:
        found = await read_registrations(Ami(port=asterisk.port), asterisk.secret, deadline_s=30)
    assert found.modules == {"iax2", "pjsip"}
    assert [listed.name for listed in found.registrations] == [None, "acme", "nova"]


async def test_no_password_is_kept_of_what_asterisk_sends() -> None:
    async with FakeAmi("22") as asterisk:
        asterisk.recording = Recording.load("22").with_password("carrier-password")
        found = await read_registrations(Ami(port=asterisk.port), asterisk.secret, deadline_s=30)
    assert "carrier-password" not in repr(found)


async def test_a_user_that_may_not_read_lists_is_told_which_line_to_change() -> None:
    async with FakeAmi("16") as asterisk:
        ami = Ami(port=asterisk.port, username="idle")
        with pytest.raises(PrivilegeMissing, match="write = system,reporting"):
            await read_registrations(ami, asterisk.secret, deadline_s=30)


async def test_a_driver_that_is_being_unloaded_is_a_module_that_is_not_there() -> None:
    async def denied(connection: Connection, action: Action) -> None:
        connection.send([("Response: Error", "ActionID: recorded", "Message: Permission denied")], action)

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["IAXregistry"] = denied
        found = await read_registrations(Ami(port=asterisk.port), asterisk.secret, deadline_s=30)
    assert found.modules == {"sip", "pjsip"}


async def test_an_asterisk_that_stops_in_a_list_is_late_and_not_empty() -> None:
    async def silent(connection: Connection, action: Action) -> None:
        asterisk.freeze()

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["IAXregistry"] = silent
        with pytest.raises(ActionLate, match="IAXregistry"):
            await read_registrations(Ami(port=asterisk.port), asterisk.secret, deadline_s=0.2)


@pytest.mark.parametrize(
    ("listed", "one", "is_it"),
    [
        (ListedRegistration("sip", None, "5551000", "192.0.2.5", 5060, ""), ACME, True),
        (ListedRegistration("sip", None, "5551000", "192.0.2.5", None, ""), ACME, True),
        (ListedRegistration("sip", None, "5551000", "192.0.2.5", 5080, ""), ACME, False),
        (ListedRegistration("sip", None, "5551001", "192.0.2.5", 5060, ""), ACME, False),
        (ListedRegistration("sip", None, "5551000", "sip.Carrier.example", 5060, ""), ACME, False),
        (ListedRegistration("sip", None, "u", "SIP.carrier.example", 5060, ""), NAMED, True),
        (ListedRegistration("pjsip", None, "5551000", "192.0.2.5", 5060, ""), ACME, False),
        (ListedRegistration("pjsip", "nova", "anything", "elsewhere", None, ""), NOVA, True),
        (ListedRegistration("pjsip", "Nova", "5552000", "192.0.2.5", None, ""), NOVA, False),
        (ListedRegistration("iax2", None, "5556000", "192.0.2.5", 4569, ""), METRO, True),
        (ListedRegistration("iax2", None, "5556000", "192.0.2.6", 4569, ""), METRO, False),
        (ListedRegistration("iax2", None, "5556000", "", None, ""), METRO, True),  # its DNS failed: "(null)"
        (ListedRegistration("iax2", None, "5556000", "192.0.2.6", 4569, ""), replace(METRO, host="iax.example"), True),
    ],
)  # fmt: skip
def test_which_entry_is_which_trunk(listed: ListedRegistration, one: ExpectedRegistration, is_it: bool) -> None:
    assert matches(listed, one) is is_it


def test_a_name_that_is_resolved_is_compared() -> None:
    listed = ListedRegistration("iax2", None, "5556000", "192.0.2.6", 4569, "")
    named = replace(METRO, host="iax.example")
    assert not matches(listed, named, {"iax.example": frozenset({"192.0.2.5"})})
    assert matches(listed, named, {"iax.example": frozenset({"192.0.2.5", "192.0.2.6"})})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.5:4569", ("192.0.2.5", 4569)),
        ("[2001:db8::5]:4569", ("2001:db8::5", 4569)),
        ("(null)", ("", None)),
        ("", ("", None)),
        ("host.example:4569", ("", None)),
    ],
)
def test_an_address_is_read_as_asterisk_prints_it(text: str, found: tuple[str, int | None]) -> None:
    assert split_address(text) == found


def pair() -> Pair:
    return parse(pair_toml({"boston": "16", "dallas": "22"}).encode(), Path("pair.toml"))


def test_the_primary_holds_every_trunk_and_the_standby_its_own() -> None:
    primary = {one.trunk: one for one in expected_registrations(pair(), "boston", "primary")}
    assert set(primary) == {"acme", "metro", "nova", "forked", "strict", "own"}, "better registers nowhere"
    assert all(one.here for one in primary.values())
    for role in ("standby", None):
        standby = {one.trunk: one.here for one in expected_registrations(pair(), "boston", role)}
        assert [name for name, here in standby.items() if here] == ["own"]


def test_each_machine_has_its_own_channel_and_account() -> None:
    boston = {one.trunk: one for one in expected_registrations(pair(), "boston", "primary")}
    dallas = {one.trunk: one for one in expected_registrations(pair(), "dallas", "primary")}
    assert (boston["acme"].channel, dallas["acme"].channel) == ("sip", "pjsip")
    assert (boston["own"].username, dallas["own"].username) == ("5555011", "5555012")
    assert boston["metro"].port == 4569
    assert boston["acme"].required


def test_only_names_that_nothing_else_tells_apart_are_resolved() -> None:
    first, second = replace(METRO, host="a.example"), replace(METRO, trunk="other", host="b.example")
    third = replace(METRO, trunk="third", username="somebody", host="c.example")
    assert hosts_to_resolve([first, third, ACME]) == ()
    assert hosts_to_resolve([first, second, third]) == ("a.example", "b.example")
    assert hosts_to_resolve([first, replace(second, port=4570)]) == ()


async def test_names_that_do_not_resolve_are_left_out() -> None:
    found = await resolve_hosts(["localhost", "pbx.invalid", "192.0.2.5"], deadline_s=30)
    assert "127.0.0.1" in found["localhost"]
    assert found["192.0.2.5"] == {"192.0.2.5"}
    assert "pbx.invalid" not in found
