"""Names, tokens and sessions: whatever is sent, it is judged and nothing breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_watcher.guard import SESSION_S, Tokens, host_of, is_loopback

# What a header can hold: bytes, read as Latin-1.
headers = st.binary(max_size=120).map(lambda data: data.decode("latin-1"))


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("boston", "boston"),
        ("Boston.:8160", "boston"),
        ("boston:", "boston"),
        ("192.0.2.11:8160", "192.0.2.11"),
        ("[2001:DB8::1]:8160", "2001:db8::1"),
        ("[::1", "::1"),
        ("", ""),
    ],
)
def test_the_port_of_a_host_header_does_not_matter(header: str, host: str) -> None:
    assert host_of(header) == host


@given(headers)
def test_any_header_is_judged_without_breaking(text: str) -> None:
    tokens = Tokens("open-Sesame0")
    host_of(text)
    assert not tokens.fits(text)
    assert not tokens.holds(text)


@given(st.text(min_size=1, max_size=60))
def test_the_token_fits_and_its_session_holds_until_it_ends(token: str) -> None:
    now = [1_000.0]
    tokens = Tokens(token, clock=lambda: now[0])
    assert tokens.fits(token)
    session = tokens.session()
    assert tokens.holds(session)
    assert token not in session or len(token) < 8
    now[0] += SESSION_S + 1
    assert not tokens.holds(session)


@given(st.integers(0, 74), st.characters(codec="ascii"))
def test_a_session_with_any_other_character_does_not_hold(place: int, character: str) -> None:
    tokens = Tokens("open-Sesame0", clock=lambda: 1_000.0)
    session = tokens.session()
    place %= len(session)
    forged = session[:place] + character + session[place + 1 :]
    assert tokens.holds(forged) == (forged == session)


def test_another_token_ends_every_session() -> None:
    session = Tokens("open-Sesame0").session()
    assert not Tokens("open-Sesame1").holds(session)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("192.0.2.11", False)],
)
def test_only_loopback_needs_no_token(address: str, loopback: bool) -> None:
    assert is_loopback(address) == loopback
