"""Numbers as carriers send them, and as a view holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.telephone import SPELLINGS, canonical, spellings


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
        ("4155551212", None, "4155551212"),
        ("+14155551212", None, "+14155551212"),
        ("", "US", None),
        ("anonymous", "US", None),
        ("1-800-FLOWERS", "US", None),
        ("+1415555\n1212", "US", None),
        ("+14155551212;ext=7", "US", None),
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


@given(st.text(max_size=40) | st.from_regex(r"[+0-9 ()./-]{1,20}", fullmatch=True), st.sampled_from(["US", "DE", None]))
def test_whatever_a_caller_sends_is_digits_or_nothing(text: str, region: str | None) -> None:
    found = canonical(text, region)
    assert found is None or (found.lstrip("+").isascii() and found.lstrip("+").isdigit())
    if found is not None:
        assert all(one and one.isprintable() for one in spellings(text, region, SPELLINGS))
