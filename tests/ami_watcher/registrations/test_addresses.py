"""Which listed registration is which expected one: the watcher and an activation say the same, of IPv6 too."""

from __future__ import annotations

import pytest

from ami_watcher.registrations.addresses import same_host, split_address
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import RegistrationLists, listed_from
from ami_watcher.registrations.registry import RegistrationRegistry, Timing
from ami_watcher.registrations.state_words import RegistrationState
from localized.activation.comparison import compare

RESOLVED = {"sip.acme.example": frozenset({"192.0.2.9", "2001:db8::9"})}


@pytest.mark.parametrize(
    ("channel", "expected", "host", "same"),
    [
        ("sip", "sip.acme.example", "SIP.acme.example", True),
        ("sip", "2001:db8::5", "[2001:DB8:0::5]", True),  # a register line needs the brackets
        ("sip", "[2001:db8::5]", "2001:db8::5", True),
        ("sip", "2001:db8::5", "[2001:db8::6]", False),
        ("iax2", "2001:db8::5", "[2001:db8:0::5]:4569", True),
        ("iax2", "[2001:db8::5]", "[2001:db8::5]:4569", True),
        ("iax2", "[2001:db8::5]", "[2001:db8::6]:4569", False),
        ("iax2", "192.0.2.5", "192.0.2.5:4569", True),
        ("iax2", "192.0.2.5", "192.0.2.6:4569", False),
        ("iax2", "sip.acme.example", "[2001:db8::9]:4569", True),
        ("iax2", "192.0.2.5", "(null):4569", True),  # Asterisk could not look its registrar up: user and port decide
    ],
)
def test_the_watcher_and_an_activation_find_the_same_registration(
    channel: str, expected: str, host: str, same: bool
) -> None:
    trunk = ExpectedRegistration("acme", channel, "5551000", expected, 4569 if channel == "iax2" else 5060, here=True)
    listed = listed_from(
        channel, {"Event": "RegistryEntry", "Host": host, "Username": "5551000", "Port": "", "State": "Registered"}
    )
    assert listed is not None
    lists = RegistrationLists((listed,), frozenset({channel}))
    assert bool(compare([trunk], lists, RESOLVED).rows[0].found) is same
    registry = RegistrationRegistry([trunk], timing=Timing(), addresses=RESOLVED)
    for now in (0.0, 10.0):  # a trunk that is missing from one list may only be under way
        registry.listed(lists, now)
    states = {one.trunk: one.state for one in registry.registrations}
    assert (states["acme"] is RegistrationState.REGISTERED) is same


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.5:4569", ("192.0.2.5", 4569)),
        ("[2001:DB8::5]:4569", ("2001:db8::5", 4569)),
        ("(null)", ("", None)),
        ("sip.acme.example:4569", ("", None)),
        ("[2001:db8::5]:port", ("2001:db8::5", None)),
    ],
)
def test_an_address_of_chan_iax2_is_taken_apart(text: str, address: tuple[str, int | None]) -> None:
    assert split_address(text) == address


def test_a_name_is_no_address() -> None:
    assert same_host("Host.example", "host.EXAMPLE")
    assert not same_host("host.example", "192.0.2.5")
