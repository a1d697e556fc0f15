"""What several name servers' answers about `_failover` amount to; the record itself is pair.public_role's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pair.public_role import NAME, PublicRole, parse, text

__all__ = ["NAME", "PublicRole", "Said", "agreed", "newest", "parse", "text", "told"]


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


def agreed(said: Sequence[Said], *, leaving_out: str = "") -> PublicRole | None:
    """What every name server that answered says; None when they differ, one has no record, or none answered.

    Args:
        leaving_out: a server whose word does not count: a machine's own proves nothing to itself after a restart.
    """
    counted = [one for one in said if one.server != leaving_out and one.answered]
    roles = {one.role for one in counted}
    return roles.pop() if len(roles) == 1 else None


def told(said: Sequence[Said]) -> dict[str, int]:
    """Server -> the epoch that it tells, for pair.public_role.believed."""
    return {one.server: one.role.epoch for one in said if one.role is not None}


def newest(said: Sequence[Said], *, leaving_out: Collection[str] = ()) -> PublicRole | None:
    """The highest epoch that any name server tells; None when none tells any.

    Args:
        leaving_out: servers whose word is not believed.
    """
    return max((one.role for one in said if one.role is not None and one.server not in leaving_out), default=None)
