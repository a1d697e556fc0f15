"""Telephone numbers: a caller's as the key of a lookup, our own as a carrier's API wants them.

A caller's number comes as carriers please (`5551212`, `+15551212`, `0015551212`), and Domino's view holds it as people
typed it: one canonical form is the cache's key, and the view is asked for several spellings. Our numbers stand in
pair.toml as people write them. phonenumbers is imported with the first number that needs it, because it takes its time.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from host.errors import UsageError

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

Spelling = Literal["e164", "digits", "international", "national", "local", "as-given"]
"""+14155551212; 14155551212; +1 415-555-1212; (415) 555-1212; 4155551212, no prefix; as the carrier sent it."""
CarrierSpelling = Literal["10", "11", "e164", "digits"]
"""5551234567, 15551234567, +15551234567, or the digits as they were given. Numbers of other countries have all their
digits in each: 442031234567, +442031234567; whether the carrier knows them it says itself."""

_LOOKS: Final = re.compile(r"[+(]{0,2}[0-9][0-9 ()./-]{1,30}")
"""A number and nothing else: no letters (phonenumbers would read 1-800-FLOWERS), no control characters."""
_CONTEXT: Final = re.compile(r"\+[0-9][0-9 ()./-]{0,20}")
_SHORTEST: Final = 7
"""Digits, without a +, below which a number of the region has to be one that exists."""
_LONGEST: Final = 300
"""Characters of a number with its parameters."""
_NORTH_AMERICAN: Final = re.compile(r"1?[2-9]\d{9}")
"""An area code never begins with 0 or 1, so another country's national number is not taken for one."""
_COUNTRY_FIRST: Final = re.compile(r"[2-9]\d{10,14}")
"""Eleven digits at least: hardly any country's own numbers are as long without its code."""


class NumberUnclear(UsageError):
    """A number of pair.toml cannot be written as the carrier wants it."""


def without_parameters(given: str) -> str:
    """The number in `given`, which carriers send with parameters behind it: 5559000;npdi;rn=+15550001000.

    They are those of a tel URI (RFC 3966 §3), with its scheme or without. A phone-context counts where it is
    the beginning of a number (§5.1.5); a domain there says who numbers, and nothing of the number.
    """
    number, *parameters = given.strip()[:_LONGEST].split(";")
    if number[:4].lower() == "tel:":
        number = number[4:]
    number = number.strip()
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "phone-context" and _CONTEXT.fullmatch(value.strip()) and not number.startswith("+"):
            return value.strip() + number
    return number


@lru_cache(maxsize=4096)
def canonical(given: str, region: str | None) -> str | None:
    """`given` in E.164 where that is possible, else its digits; None if it is no telephone number.

    Args:
        given: with its parameters, which are no part of the number, or without.
        region: country whose national numbers may come, such as "US"; None: only what begins with + is understood.
    """
    text = without_parameters(given)
    if not _LOOKS.fullmatch(text):
        return None
    number = _parsed(text, region)
    if number is None:
        return re.sub(r"[^0-9+]", "", text)
    import phonenumbers

    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=4096)
def spellings(given: str, region: str | None, wanted: tuple[Spelling, ...]) -> tuple[str, ...]:
    """`given` in each of the `wanted` spellings, without repetition, in that order; none where none is safe.

    A short internal number, which belongs to no country, is spelled as given. A spelling without a country code is made
    for numbers of `region` alone: +44 20 7946 0000 is not 207 946 0000 of Maine. And a text that would, in another of
    the wanted spellings, be somebody else's number is left out: 4722123456 is one customer's number in Norway without
    its +, and another's in North Carolina.
    """
    text = without_parameters(given)
    number = _parsed(text, region)
    if number is None:
        return (text,)
    spelled = (_spelled(number, spelling, text, region) for spelling in wanted)
    return tuple(
        dict.fromkeys(one for one in spelled if one is not None and not _anothers(one, number, region, wanted))
    )


def known_region(region: str) -> bool:
    """Whether it is a country in two capital letters, such as "US", whose numbers can be read."""
    import phonenumbers

    return region in phonenumbers.SUPPORTED_REGIONS


def international(number: str) -> str | None:
    """The digits of one of our numbers with those of its country first; None where its country is not clear.

    Ten digits, or eleven that begin with 1, are a North American number; any other country's begins with "+", or is
    written as carriers' portals show it, country first and without "+", and then has to be a number that exists.
    """
    digits = re.sub(r"[^0-9]", "", number)
    if number.strip().startswith("+"):
        return digits
    if _NORTH_AMERICAN.fullmatch(digits):
        return "1" + digits[-10:]
    return digits if _COUNTRY_FIRST.fullmatch(digits) and _exists(f"+{digits}") else None


def as_carrier_wants(number: str, spelling: CarrierSpelling) -> str:
    """One of our numbers as a carrier's API wants it.

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


def _exists(number: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    # Where a country's numbers may be of any length, an extension would pass for one of them: 12345 for +49 12345.
    if possible and "+" not in text and sum(map(str.isdigit, text)) < _SHORTEST:
        possible = phonenumbers.is_valid_number(number)
    return number if possible else None  # a number without its area code is not one of a country's


def _spelled(number: PhoneNumber, spelling: Spelling, given: str, region: str | None) -> str | None:
    import phonenumbers

    kind = phonenumbers.PhoneNumberFormat
    if spelling == "as-given":
        return given
    if spelling in ("local", "national") and not _of_region(number, region):
        return None
    if spelling == "local":
        return phonenumbers.national_significant_number(number)
    if spelling == "digits":
        return phonenumbers.format_number(number, kind.E164).removeprefix("+")
    formats = {"e164": kind.E164, "international": kind.INTERNATIONAL, "national": kind.NATIONAL}
    return phonenumbers.format_number(number, formats[spelling])


def _of_region(number: PhoneNumber, region: str | None) -> bool:
    import phonenumbers

    return region is not None and number.country_code == phonenumbers.country_code_for_region(region)


def _anothers(text: str, number: PhoneNumber, region: str | None, wanted: tuple[Spelling, ...]) -> bool:
    """Whether a view that is kept in the `wanted` spellings may hold `text` as the number of somebody else."""
    import phonenumbers

    if text.startswith("+"):
        return False
    own = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    code = phonenumbers.country_code_for_region(region) if region is not None else 0
    for spelling in wanted:
        if spelling == "digits":
            other = _parsed(f"+{text}", None)
        elif spelling == "local" and code:
            other = _parsed(f"+{code}{text}", None)
        elif spelling in ("national", "as-given"):
            other = _parsed(text, region)
        else:
            continue
        if (
            other is not None
            and phonenumbers.is_valid_number(other)
            and phonenumbers.format_number(other, phonenumbers.PhoneNumberFormat.E164) != own
        ):
            return True
    return False
