"""What the world is told of who is primary: the TXT record `_failover` in the pair's zone.

It says `hotstandby=1 machine=dallas epoch=7` and is written by the DNS step together with the names that follow the
primary. Whoever asks several name servers for it gets several answers, and this file says what they amount to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

NAME: Final = "_failover"
"""Its name in the zone."""

_TEXT: Final = re.compile(r"hotstandby=1 machine=([A-Za-z0-9_-]{1,63}) epoch=([0-9]{1,12})")


@dataclass(frozen=True, slots=True, order=True)
class PublicRole:
    """Who is primary, as published.

    Attributes:
        epoch: number of the promotion; the higher one is newer.
        machine: the primary.
    """

    epoch: int
    machine: str

    def __str__(self) -> str:
        return f"{self.machine} (epoch {self.epoch})"


@dataclass(frozen=True, slots=True)
class Said:
    """What one name server answered.

    Attributes:
        server: its name in pair.toml.
        answered: whether it gave an authoritative answer about the record, be it that there is none.
        role: the record; None where there is none, or it is not one of ours.
        words: the answer, for people.
    """

    server: str
    answered: bool
    role: PublicRole | None
    words: str


def text(role: PublicRole) -> str:
    """The record's text."""
    return f"hotstandby=1 machine={role.machine} epoch={role.epoch}"


def parse(given: str, machines: Collection[str]) -> PublicRole | None:
    """What a record's text says; None for anything that is not exactly ours or names no machine of the pair."""
    found = _TEXT.fullmatch(given)
    if found is None or found[1] not in machines:
        return None
    return PublicRole(int(found[2]), found[1])


def agreed(said: Sequence[Said], *, leaving_out: str = "") -> PublicRole | None:
    """What every name server that answered says; None when they differ, one has no record, or none answered.

    Args:
        leaving_out: a server whose word does not count: a machine's own proves nothing to itself after a restart.
    """
    counted = [one for one in said if one.server != leaving_out and one.answered]
    roles = {one.role for one in counted}
    return roles.pop() if len(roles) == 1 else None


def newest(said: Sequence[Said]) -> PublicRole | None:
    """The highest epoch that any name server tells; None when none tells any."""
    return max((one.role for one in said if one.role is not None), default=None)
