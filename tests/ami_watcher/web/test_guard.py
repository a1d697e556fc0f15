"""Names, tokens and sessions: whatever is sent, it is judged and nothing breaks."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_watcher.web.guard import SESSION_S, AccessTokens, host_of, is_loopback, sessions_of

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


@pytest.mark.parametrize(
    ("header", "sessions"),
    [
        ("hotstandby=1.a", ["1.a"]),
        (' theme=dark;hotstandby="1.a" ; x', ["1.a"]),
        ("a=\\; =; ;; $Version=1; hotstandby=1.a", ["1.a"]),  # what others set hides nothing
        ("hotstandby=old; hotstandby=1.a", ["old", "1.a"]),
        ("hotstandby2=1.a; xhotstandby=1.a; hotstandby", []),
        ("hotstandby=x;" * 90, ["x"] * 4),
        ("", []),
    ],
)
def test_a_session_is_found_among_other_cookies(header: str, sessions: list[str]) -> None:
    assert sessions_of(header) == sessions


@pytest.mark.parametrize("piece", ["\\", '"\\', '\\"', ";", "=", "hotstandby=", '"', " "])
def test_a_cookie_takes_time_by_its_length_alone(piece: str) -> None:
    def took(length: int) -> float:
        header = 'hotstandby="' + (piece * length)[:length] + '"'
        begun = time.process_time()
        for _ in range(5):
            sessions_of(header)
        return time.process_time() - begun

    # Sixteen times as long: by the square it would be 256 times as much.
    assert min(took(64_000) for _ in range(3)) < 60 * max(min(took(4_000) for _ in range(3)), 0.0005)


@given(headers)
def test_any_header_is_judged_without_breaking(text: str) -> None:
    tokens = AccessTokens("open-Sesame0")
    host_of(text)
    assert not any(tokens.holds(session) for session in sessions_of(text))
    assert not tokens.fits(text)
    assert not tokens.holds(text)


@given(st.text(min_size=1, max_size=60))
def test_the_token_fits_and_its_session_holds_until_it_ends(token: str) -> None:
    now = [1_000.0]
    tokens = AccessTokens(token, clock=lambda: now[0])
    assert tokens.fits(token)
    session = tokens.session()
    assert tokens.holds(session)
    assert token not in session or len(token) < 8
    now[0] += SESSION_S + 1
    assert not tokens.holds(session)


@given(st.integers(0, 74), st.characters(codec="ascii"))
def test_a_session_with_any_other_character_does_not_hold(place: int, character: str) -> None:
    tokens = AccessTokens("open-Sesame0", clock=lambda: 1_000.0)
    session = tokens.session()
    place %= len(session)
    forged = session[:place] + character + session[place + 1 :]
    assert tokens.holds(forged) == (forged == session)


def test_another_token_ends_every_session() -> None:
    session = AccessTokens("open-Sesame0").session()
    assert not AccessTokens("open-Sesame1").holds(session)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("192.0.2.11", False)],
)
def test_only_loopback_needs_no_token(address: str, loopback: bool) -> None:
    assert is_loopback(address) == loopback
