"""Who was registered on the other machine and is not back here, from what its ami-watcher left behind."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ami_watcher.ami.errors import ActionRefused, ListIncomplete, PrivilegeMissing
from ami_watcher.ami.session import AmiSession
from ami_watcher.ami.shared_login import open_session
from ami_watcher.phones.contact import CONTACT_LISTS, Contact, contacts_from
from ami_watcher.phones.exchange import ContactExchange
from ami_watcher.phones.inventory import FRESH_S, MissingContact, missing_contacts
from failover.context import Context
from failover.errors import FailoverError
from failover.state import local_state
from host.durations import at_most, lasting
from pair import read_secret

LISTS_S: Final = 10.0
"""Seconds for each list; ten thousand phones take under one."""
SHOW: Final = "failover clients"


class NoInventory(FailoverError):
    """The other machine has left no list of its phones here, so nobody can say who is not back."""


@dataclass(frozen=True, slots=True)
class PhoneComparison:
    """Phones before and now.

    Attributes:
        machine: here.
        other: whose list it is compared with.
        at: unix seconds of that list.
        known: phones in it.
        back: of these, how many are here now.
        still_there: of these, how many are at that machine and belong there, because it is primary.
        missing: who is nowhere, the first that must register again first.
        now: unix seconds.
    """

    machine: str
    other: str
    at: float
    known: int
    back: int
    still_there: int
    missing: tuple[MissingContact, ...]
    now: float

    @property
    def longest_s(self) -> float | None:
        """Seconds until the last of those whose expiry is known must have registered again; None for none known."""
        known = [one.expires_at for one in self.missing if one.expires_at is not None]
        return max(0.0, max(known) - self.now) if known else None

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        age = lasting(max(0.0, self.now - self.at))
        if not self.missing:
            there = f", {self.still_there} still at {self.other}" if self.still_there else ""
            return f"phones: {self.back} of the {self.known} that {self.other} listed {age} ago are here{there}"
        wait = f", the last must register by itself within {at_most(self.longest_s)}" if self.longest_s else ""
        return (
            f"phones: {len(self.missing)} of the {self.known} that {self.other} listed {age} ago are not back{wait}. "
            f"See who with: {SHOW}"
        )


def compare_phones(context: Context) -> PhoneComparison:
    """Reads the other machine's list and our Asterisk's.

    Raises:
        NoInventory, AmiError, SecretUnusable
    """
    pair = context.pair
    directory = Path(pair.watcher.contacts_dir) if pair.watcher.contacts_dir else context.places.contacts
    export, why = ContactExchange(directory, machine=context.machine, other=context.peer).other()
    if export is None:
        raise NoInventory(why)
    secret = read_secret(context.places, context.asterisk.ami.secret_file)
    present = asyncio.run(_present(context, secret))
    now = time.time()
    # While this machine is primary nobody is served there, however fresh that list is.
    serves = local_state.read_state(context.places, context.machine).is_primary
    gone, still_there = missing_contacts(export, present, export.at + FRESH_S + 1.0 if serves else now)
    names = {one.contact.name for one in export.known}
    back = len(names & {one.name for one in present})
    return PhoneComparison(context.machine, context.peer, export.at, len(names), back, still_there, gone, now)


async def _present(context: Context, secret: str) -> tuple[Contact, ...]:
    def made() -> AmiSession:
        return AmiSession(context.asterisk.ami, secret, wanted=(), events="off")

    session = await open_session(made, context.places, deadline_s=LISTS_S)
    found: list[Contact] = []
    try:
        for action in CONTACT_LISTS:
            try:
                found += contacts_from(await session.listing(action, deadline_s=LISTS_S))
            except ListIncomplete:
                raise
            except (ActionRefused, PrivilegeMissing):
                continue  # that driver is not loaded
    finally:
        await session.close()
    return tuple(found)
