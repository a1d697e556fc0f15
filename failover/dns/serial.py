"""Serial numbers of zones: 32 bits, and later is not the same as greater (RFC 1982)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MODULUS: Final = 2**32
_HALF: Final = 2**31

TAKEOVER_JUMP: Final = 100_000
"""Added when a zone gets a new primary: more than the old one can count up by stray updates before it is found."""


def later(one: int, other: int) -> bool:
    """Whether `one` is later than `other` (RFC 1982 §3.2).

    Numbers exactly 2**31 apart are comparable neither way; that is false both ways here.
    """
    return one != other and (one - other) % _MODULUS < _HALF


def plus(serial: int, by: int) -> int:
    """`serial` counted up (RFC 1982 §3.1); never 0, which some servers take for "unset".

    Raises:
        ValueError: `by` is more than secondaries would follow.
    """
    if not 0 < by < _HALF:
        raise ValueError(f"a serial can be raised by 1 to {_HALF - 1}, not by {by}")
    return (serial + by) % _MODULUS or 1


def latest(serials: Iterable[int]) -> int:
    """The latest of some serials that were seen, at least one.

    Where they lie more than 2**31 apart there is no latest; then the last of those that beat the one before is taken.
    """
    found: int | None = None
    for serial in serials:
        if found is None or later(serial, found):
            found = serial
    if found is None:
        raise ValueError("no serial was seen")
    return found
