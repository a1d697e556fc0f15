"""From which address a name server is asked."""

from __future__ import annotations

import pytest

from failover.dns.wire import Line


@pytest.mark.parametrize(
    ("source", "to", "expected"),
    [
        ("192.0.2.12", "192.0.2.13", "192.0.2.12"),
        ("192.0.2.12", "127.0.0.1", "192.0.2.12"),
        ("192.0.2.12", "2001:db8::13", None),  # another family
        ("127.0.0.1", "192.0.2.13", None),  # own = loopback: nobody else is reached from there
        ("127.0.0.9", "127.0.0.1", "127.0.0.9"),
        ("::1", "2001:db8::13", None),
        ("", "192.0.2.13", None),
    ],
)
def test_the_source_address_reaches_the_server(source: str, to: str, expected: str | None) -> None:
    assert Line(53, source).towards(to) == expected
