"""Who may register at the carrier, and what it does with a second one: the world's trunks, said once.

The carrier's configuration, the machines' pair.toml and the tests all come from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lab.computer.roots import Release

CARRIER: Final = "192.0.2.5"
BETTER: Final = "192.0.2.6"
"""The carrier's second address, from which calls by address come: Asterisk tells trunks apart by address."""
ADDRESSES: Final = {
    "carrier": CARRIER,
    "boston": "192.0.2.11",
    "dallas": "192.0.2.12",
    "ns3": "192.0.2.13",
    "witness": "192.0.2.14",
}
WWW: Final = {"boston": "192.0.2.21", "dallas": "192.0.2.22"}
"""Where each machine's web server answers, on the same wire."""
PAIR: Final = ("boston", "dallas")

BY_ADDRESS: Final = "5559000"
"""The number of the trunk that registers nowhere."""

_OF_ADDRESS: Final = {
    **{address: name for name, address in ADDRESSES.items()},
    **{address: name for name, address in WWW.items()},
    BETTER: "carrier",
}


@dataclass(frozen=True, slots=True)
class Account:
    """One account at the carrier.

    Attributes:
        trunk: its name in pair.toml.
        username: what registers; calls to it arrive at the extension of the same name.
        secret: its password.
        driver: sip means chan_sip on Asterisk 16 and PJSIP on 22; the others are the same on both.
        second: what the carrier does with a second registration.
        machine: the one machine that uses it, where an account is per machine.
    """

    trunk: str
    username: str
    secret: str
    driver: Literal["sip", "pjsip", "iax2"]
    second: Literal["replaces", "rings_both", "refused"]
    machine: str | None = None

    def channel(self, release: Release) -> Literal["sip", "pjsip", "iax2"]:
        """The channel driver that a machine with this Asterisk registers it with."""
        return "pjsip" if self.driver == "sip" and release == "22" else self.driver


ACCOUNTS: Final = (
    Account("acme", "5551000", "acme-Secret1", "sip", "replaces"),
    Account("metro", "5556000", "metro-Secret2", "iax2", "replaces"),
    Account("nova", "5552000", "nova-Secret3", "pjsip", "replaces"),
    Account("forked", "5553000", "forked-Secret4", "sip", "rings_both"),
    Account("strict", "5554000", "strict-Secret5", "sip", "refused"),
    Account("own", "5555011", "own-Secret6b", "sip", "replaces", "boston"),
    Account("own", "5555012", "own-Secret6d", "sip", "replaces", "dallas"),
)


def account(name: str) -> Account:
    """By user name, or by trunk where it is one account.

    Raises:
        KeyError: with the names that there are.
    """
    found = [entry for entry in ACCOUNTS if name in (entry.username, entry.trunk)]
    if len(found) != 1:
        known = ", ".join(f"{entry.trunk} ({entry.username})" for entry in ACCOUNTS)
        raise KeyError(f"'{name}' is not one account of the carrier; there are {known}")
    return found[0]


def machine_at(address: str) -> str | None:
    """The machine that has an address, or None."""
    return _OF_ADDRESS.get(address)
