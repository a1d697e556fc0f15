"""Telephone numbers, in the spelling that a carrier wants."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from host.errors import UsageError
from pair.sections.carrier import international

Spelling: TypeAlias = Literal["10", "11", "e164", "digits"]
"""5551234567, 15551234567, +15551234567, or the digits as they were given. Numbers of other countries have all their
digits in each: 442031234567, +442031234567; whether the carrier knows them it says itself."""


class NumberUnclear(UsageError):
    """A number of pair.toml cannot be written as the carrier wants it."""


def spelled(number: str, spelling: Spelling) -> str:
    """A number of pair.toml as the carrier wants it.

    Raises:
        NumberUnclear
    """
    if spelling == "digits":
        return re.sub(r"\D", "", number)
    digits = international(number)
    if digits is None:
        raise NumberUnclear(f"The country of the number {number} is not clear. Write it in pair.toml as +15551234567.")
    if not 8 <= len(digits) <= 15:
        raise NumberUnclear(f"{number} has {len(digits)} digits; numbers have 8 to 15 (E.164).")
    if spelling == "e164":
        return "+" + digits
    return digits[1:] if spelling == "10" and digits.startswith("1") and len(digits) == 11 else digits
