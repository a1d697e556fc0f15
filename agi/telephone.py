"""Telephone numbers as keys: one canonical form for the cache, and the spellings to ask Domino for.

A caller's number comes as carriers please (`5551212`, `+15551212`, `0015551212`), and the view holds it as people
typed it. phonenumbers is imported with the first number, because it takes its time.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

Spelling = Literal["e164", "digits", "international", "national", "local", "as-given"]
"""+14155551212; 14155551212; +1 415-555-1212; (415) 555-1212; 4155551212, no prefix; as the carrier sent it."""
SPELLINGS: Final[tuple[Spelling, ...]] = get_args(Spelling)

_LOOKS: Final = re.compile(r"[+(]{0,2}[0-9][0-9 ()./-]{1,30}")
"""A number and nothing else: no letters (phonenumbers would read 1-800-FLOWERS), parameters, control characters."""


@lru_cache(maxsize=4096)
def canonical(given: str, region: str | None) -> str | None:
    """`given` in E.164 where that is possible, else its digits; None if it is no telephone number.

    Args:
        region: country whose national numbers may come, such as "US"; None: only what begins with + is understood.
    """
    text = given.strip()
    if not _LOOKS.fullmatch(text):
        return None
    number = _parsed(text, region)
    if number is None:
        return re.sub(r"[^0-9+]", "", text)
    import phonenumbers

    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=4096)
def spellings(given: str, region: str | None, wanted: tuple[Spelling, ...]) -> tuple[str, ...]:
    """`given` in each of the `wanted` spellings, without repetition, in that order.

    A short internal number, which belongs to no country, is spelled as given.
    """
    number = _parsed(given.strip(), region)
    if number is None:
        return (given.strip(),)
    return tuple(dict.fromkeys(_spelled(number, spelling, given) for spelling in wanted))


def regions() -> frozenset[str]:
    """The regions that phonenumbers knows."""
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    return number if possible else None  # a number without its area code is not one of a country's


def _spelled(number: PhoneNumber, spelling: Spelling, given: str) -> str:
    import phonenumbers

    kind = phonenumbers.PhoneNumberFormat
    if spelling == "as-given":
        return given.strip()
    if spelling == "local":
        return phonenumbers.national_significant_number(number)
    if spelling == "digits":
        return phonenumbers.format_number(number, kind.E164).removeprefix("+")
    formats = {"e164": kind.E164, "international": kind.INTERNATIONAL, "national": kind.NATIONAL}
    return phonenumbers.format_number(number, formats[spelling])
