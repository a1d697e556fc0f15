"""What the world is told of who is primary, the TXT record `_failover` in the pair's zone; which numbers to believe.

It says `hotstandby=1 machine=dallas epoch=7` and is written by the DNS step together with the names that follow the
primary. A name server's answer is not signed, and the peer's key may be stolen: a number is believed for what it is
near to, not for who says it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

NAME: Final = "_failover"
"""Its name in the zone."""
FAR: Final = 1_000
"""Promotions between what one knows and what one is told: more have never happened while a machine was away."""
FARTHEST: Final = 100_000
"""Two witnesses move the count by so many at most: a pair has tens of promotions a year."""
LARGEST: Final = 999_999_999
"""The highest epoch that is ever given or believed: one promotion a second for 31 years."""

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
class RoleAnswer:
    """What one name server answered when it was asked for the record.

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


@dataclass(frozen=True, slots=True)
class Believed:
    """What several witnesses' numbers come to.

    Attributes:
        epoch: the highest that is believed; what was known already where nobody tells a higher one.
        left_out: witness -> what it tells, where that is not believed.
    """

    epoch: int
    left_out: Mapping[str, int]


def text(role: PublicRole) -> str:
    """The record's text."""
    return f"hotstandby=1 machine={role.machine} epoch={role.epoch}"


def parse(given: str, machines: Collection[str]) -> PublicRole | None:
    """What a record's text says; None for anything that is not exactly ours or names no machine of the pair."""
    found = _TEXT.fullmatch(given)
    if found is None or found[1] not in machines:
        return None
    return PublicRole(int(found[2]), found[1])


def agreed(answers: Sequence[RoleAnswer], *, leaving_out: str = "") -> PublicRole | None:
    """What every name server that answered says; None when they differ, one has no record, or none answered.

    Args:
        leaving_out: a server whose word does not count: a machine's own proves nothing to itself after a restart.
    """
    counted = [one for one in answers if one.server != leaving_out and one.answered]
    roles = {one.role for one in counted}
    return roles.pop() if len(roles) == 1 else None


def epochs_told(answers: Sequence[RoleAnswer]) -> dict[str, int]:
    """Server -> the epoch that it tells, for `believed`."""
    return {one.server: one.role.epoch for one in answers if one.role is not None}


def newest(answers: Sequence[RoleAnswer], *, leaving_out: Collection[str] = ()) -> PublicRole | None:
    """The highest epoch that any name server tells; None when none tells any.

    Args:
        leaving_out: servers whose word is not believed.
    """
    return max((one.role for one in answers if one.role is not None and one.server not in leaving_out), default=None)


def sane(epoch: int) -> int:
    """The epoch, or 0 for one that no promotion was ever given: what stands in a file may be an old version's."""
    return epoch if 0 <= epoch <= LARGEST else 0


def believed(told: Mapping[str, int], known: int) -> Believed:
    """Which epochs to believe.

    One that is at most FAR above what is known here; a higher one only where a second witness tells one within FAR of
    it, and none that is more than FARTHEST above. So no liar moves the count to where it ends.

    Args:
        told: witness -> epoch. Two servers of one machine are one witness.
        known: what this machine's own files tell.
    """
    left_out = {
        name: epoch
        for name, epoch in told.items()
        if epoch > min(LARGEST, known + FARTHEST)
        or (
            epoch > known + FAR
            and not any(abs(epoch - other) <= FAR for witness, other in told.items() if witness != name)
        )
    }
    return Believed(max((known, *(epoch for name, epoch in told.items() if name not in left_out))), left_out)


def later(machine: str, epoch: int, told: Mapping[str, PublicRole]) -> tuple[PublicRole, tuple[str, ...]] | None:
    """A promotion of another machine that is later than `machine`'s, with who tells it; None where nobody does.

    One witness is enough, where its number is one to believe: to say so costs a look, and takes nothing from anybody.

    Args:
        epoch: of the promotion that `machine` serves by.
        told: witness -> whom it calls primary.
    """
    left_out = believed({name: role.epoch for name, role in told.items()}, epoch).left_out
    found = {
        name: role
        for name, role in told.items()
        if name not in left_out and role.machine != machine and role.epoch > epoch
    }
    if not found:
        return None
    latest = max(found.values())
    return latest, tuple(name for name, role in found.items() if role == latest)
