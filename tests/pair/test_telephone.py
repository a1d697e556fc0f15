"""Numbers as carriers send them, and as a view holds them."""

from __future__ import annotations

from typing import get_args

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pair.telephone import (
    CarrierSpelling,
    NumberUnclear,
    Spelling,
    as_carrier_wants,
    canonical,
    known_region,
    spellings,
)

SPELLINGS: tuple[Spelling, ...] = get_args(Spelling)


@pytest.mark.parametrize(
    ("given_number", "region", "expected"),
    [
        ("+14155551212", "US", "+14155551212"),
        ("4155551212", "US", "+14155551212"),
        ("1 (415) 555-1212", "US", "+14155551212"),
        ("(415) 555-1212", "US", "+14155551212"),
        ("011498912345678", "US", "+498912345678"),
        ("00498912345678", "DE", "+498912345678"),
        ("089 12345678", "DE", "+498912345678"),
        ("089/12345678", "DE", "+498912345678"),
        ("5551212", "US", "5551212"),  # no area code: nobody's number but ours
        ("201", "US", "201"),  # an extension
        ("201", "DE", "201"),  # there too, where numbers have any length
        ("12345", "DE", "12345"),
        ("+4912345", "DE", "+4912345"),
        ("888", "FR", "888"),
        ("020-88888888", "CN", "+862088888888"),
        ("004933435884444", "DE", "+4933435884444"),
        ("4155551212", None, "4155551212"),
        ("+14155551212", None, "+14155551212"),
        ("", "US", None),
        ("anonymous", "US", None),
        ("1-800-FLOWERS", "US", None),
        ("+1415555\n1212", "US", None),
        ("+14155551212;ext=7", "US", "+14155551212"),
        ("5559000;npdi", "US", "5559000"),
        ("4155551212;npdi;rn=+14155550000", "US", "+14155551212"),  # where it was ported to is not who it is
        ("4155551212 ;cpc=ordinary;phone-context=ims.example", "US", "+14155551212"),
        ("7946 0000;phone-context=+4420", "US", "+442079460000"),
        ("tel:+1-415-555-1212;isub=1", "DE", "+14155551212"),
        (";npdi", "US", None),
        ("anonymous;npdi", "US", None),
        ("٤١٥٥٥٥١٢١٢", "US", None),
        ("1" * 40, "US", None),
    ],
)
def test_one_number_has_one_canonical_form(given_number: str, region: str | None, expected: str | None) -> None:
    assert canonical(given_number, region) == expected


def test_a_number_is_spelled_as_asked_without_repetition() -> None:
    assert spellings("4155551212", "US", SPELLINGS) == (
        "+14155551212", "14155551212", "+1 415-555-1212", "(415) 555-1212", "4155551212",
    )  # fmt: skip
    assert spellings("201", "US", SPELLINGS) == ("201",)


TWENTY = (
    "US", "CA", "GB", "DE", "FR", "IT", "ES", "NL", "NO", "DK",
    "SE", "CH", "AT", "PL", "RU", "IN", "JP", "SG", "AU", "BR",
)  # fmt: skip
"""With and without trunk prefix, of fixed and of free length, two that share +1, one whose numbers keep their 0."""


@st.composite
def valid_numbers(draw: st.DrawFn) -> str:
    """E.164."""
    country = draw(st.sampled_from(TWENTY))
    kind = draw(st.sampled_from([phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE]))
    example = phonenumbers.example_number_for_type(country, kind)
    assert example is not None
    text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    last = draw(st.integers(0, 9999))
    made = f"{text[:-4]}{last:04}"
    assume(phonenumbers.is_valid_number(phonenumbers.parse(made, None)))
    return made


def held(number: str, region: str, spelling: str) -> str | None:
    """How a view holds `number`; without a country code only what is the region's own."""
    parsed = phonenumbers.parse(number, None)
    if spelling in ("local", "national") and parsed.country_code != phonenumbers.country_code_for_region(region):
        return None
    kinds = phonenumbers.PhoneNumberFormat
    if spelling == "local":
        return phonenumbers.national_significant_number(parsed)
    kind = {"e164": kinds.E164, "digits": kinds.E164, "international": kinds.INTERNATIONAL}.get(
        spelling, kinds.NATIONAL
    )
    text = phonenumbers.format_number(parsed, kind)
    return text.removeprefix("+") if spelling == "digits" else text


@settings(max_examples=400)
@given(
    caller=valid_numbers(),
    other=valid_numbers(),
    region=st.sampled_from(TWENTY),
    wanted=st.lists(st.sampled_from(SPELLINGS[:5]), min_size=1, unique=True),
)
def test_no_number_is_asked_for_in_a_spelling_that_is_anothers(
    caller: str, other: str, region: str, wanted: list[Spelling]
) -> None:
    # The other customer whose number is written, without its country, as the caller's is with it.
    namesake = f"+{phonenumbers.country_code_for_region(region)}{caller[1:]}"
    for one in (other, namesake):
        parsed = phonenumbers.parse(one, None)
        customer = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        if customer == caller or not phonenumbers.is_valid_number(parsed):
            continue
        view = {text for spelling in wanted if (text := held(customer, region, spelling)) is not None}
        assert not view & {*spellings(caller, region, tuple(wanted))}
        mine = {text for spelling in wanted if (text := held(caller, region, spelling)) is not None}
        assert not mine & {*spellings(customer, region, tuple(wanted))}


@settings(max_examples=200)
@given(caller=valid_numbers(), region=st.sampled_from(TWENTY))
def test_a_number_with_its_country_code_is_found_from_everywhere(caller: str, region: str) -> None:
    assert spellings(caller, region, ("e164",)) == (caller,)
    if phonenumbers.parse(caller, None).country_code == phonenumbers.country_code_for_region(region):
        assert len(spellings(caller, region, ("e164", "national", "local"))) >= 2


@pytest.mark.parametrize(
    ("given_number", "region", "wanted", "expected"),
    [
        ("+44 20 7946 0000", "US", ("e164", "local"), ("+442079460000",)),  # not Maine's 207 946 0000
        ("+44 20 7946 0000", "US", ("local", "national"), ()),
        ("+44 20 7946 0000", "US", ("digits",), ("442079460000",)),
        ("+1 416 555 0123", "US", ("local",), ("4165550123",)),  # Canada's ten digits are nobody else's
        ("+4722123456", "US", ("e164", "digits", "local"), ("+4722123456",)),  # 472 212 3456 is in North Carolina
        ("4722123456", "US", ("digits", "local"), ("14722123456",)),
        ("4722123456", "US", ("local",), ("4722123456",)),
        ("3125551212", "US", ("digits", "local"), ("13125551212", "3125551212")),
        ("+39 06 1234 5678", "IT", ("local",), ("0612345678",)),
        ("+39 06 1234 5678", "DE", ("local",), ()),
        ("+14155551212", None, ("e164", "digits"), ("+14155551212", "14155551212")),
        ("5559000;npdi", "US", ("e164", "local"), ("5559000",)),
        ("12345", "DE", ("e164", "local"), ("12345",)),  # an extension, and nobody's +49 12345
        ("+1 866 539 1234", "CN", ("e164", "local"), ("+18665391234",)),  # not the mobile 186 6539 1234
        ("06 12341234", "NL", ("e164",), ("+31612341234",)),
        ("+31 6 12341234", "NL", ("national",), ("06 12341234",)),
    ],
)
def test_a_spelling_without_a_country_is_for_numbers_of_the_region(
    given_number: str, region: str | None, wanted: tuple[Spelling, ...], expected: tuple[str, ...]
) -> None:
    assert spellings(given_number, region, wanted) == expected


@given(st.text(max_size=40) | st.from_regex(r"[+0-9 ()./-]{1,20}", fullmatch=True), st.sampled_from(["US", "DE", None]))
def test_whatever_a_caller_sends_is_digits_or_nothing(text: str, region: str | None) -> None:
    found = canonical(text, region)
    assert found is None or (found.lstrip("+").isascii() and found.lstrip("+").isdigit())
    if found is not None:
        assert all(one and one.isprintable() for one in spellings(text, region, SPELLINGS))


@pytest.mark.parametrize(
    ("number", "spelling", "expected"),
    [
        ("5551234567", "10", "5551234567"),
        ("+1 (555) 123-4567", "10", "5551234567"),
        ("1-555-123-4567", "10", "5551234567"),
        ("5551234567", "11", "15551234567"),
        ("5551234567", "e164", "+15551234567"),
        ("+49 30 1234567", "e164", "+49301234567"),
        ("+44 20 3123 4567", "10", "442031234567"),  # voip.ms sells numbers of other countries as well
        ("+44 20 3123 4567", "11", "442031234567"),
        ("442031234567", "10", "442031234567"),  # as a portal shows it
        ("442031234567", "e164", "+442031234567"),
        ("+883 5100 01234567", "10", "883510001234567"),  # iNum, a country of no place
        ("030 1234567", "digits", "0301234567"),
    ],
)
def test_a_number_is_spelled_as_the_carrier_wants_it(number: str, spelling: CarrierSpelling, expected: str) -> None:
    assert as_carrier_wants(number, spelling) == expected


@pytest.mark.parametrize(
    ("number", "spelling"),
    [("030 1234567", "10"), ("030 1234567", "e164"), ("+1", "e164"), ("212345678901234", "e164")],
)
def test_a_number_that_is_not_clear_is_refused(number: str, spelling: CarrierSpelling) -> None:
    with pytest.raises(NumberUnclear):
        as_carrier_wants(number, spelling)


@pytest.mark.parametrize(("region", "known"), [("US", True), ("us", False), ("XX", False), ("", False)])
def test_a_region_is_two_capital_letters_of_a_country(region: str, known: bool) -> None:
    assert known_region(region) is known
