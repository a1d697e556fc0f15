"""Telephone numbers, in the spelling that a carrier wants."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from host.errors import UsageError

Spelling: TypeAlias = Literal["10", "11", "e164", "digits"]
"""5551234567, 15551234567, +15551234567, or the digits as they were given."""


_NORTH_AMERICAN: Final = re.compile(r"1?[2-9]\d{9}")
"""An area code never begins with 0 or 1, so another country's national number is not taken for one."""


class NumberUnclear(UsageError):
    """A number of pair.toml cannot be written as the carrier wants it."""


def spelled(number: str, spelling: Spelling) -> str:
    """A number of pair.toml as the carrier wants it.

    Ten digits, or eleven that begin with 1, are a North American number; any other country's begins with "+".

    Raises:
        NumberUnclear
    """
    digits = re.sub(r"\D", "", number)
    if spelling == "digits":
        return digits
    if number.strip().startswith("+"):
        international = digits
    elif _NORTH_AMERICAN.fullmatch(digits):
        international = "1" + digits[-10:]
    else:
        raise NumberUnclear(f"The country of the number {number} is not clear. Write it in pair.toml as +15551234567.")
    if not 8 <= len(international) <= 15:
        raise NumberUnclear(f"{number} has {len(international)} digits; numbers have 8 to 15 (E.164).")
    if spelling == "e164":
        return "+" + international
    if not international.startswith("1") or len(international) != 11:
        raise NumberUnclear(f"{number} is not a North American number, and this carrier takes no others.")
    return international if spelling == "11" else international[1:]
