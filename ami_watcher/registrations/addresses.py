"""Host names and addresses as Asterisk's lists, its events and pair.toml spell them, and when two spellings are one.

Rules only. The one home of these comparisons: what is listed, what is expected and what an event speaks of all use it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping


def same_host(one: str, other: str) -> bool:
    """Whether two spellings are one host: names without case, addresses by value, with brackets or without."""
    return _comparable(one) == _comparable(other)


def without_brackets(host: str) -> str:
    """An IPv6 address stands in brackets in a register line, and so in chan_sip's list and events."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _comparable(host: str) -> str:
    bare = without_brackets(host)
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare.lower()


def addresses_of(host: str, addresses: Mapping[str, frozenset[str]] | None) -> frozenset[str]:
    """Addresses that `host` stands for; empty where that is not known."""
    try:
        return frozenset({str(ipaddress.ip_address(without_brackets(host)))})
    except ValueError:
        return (addresses or {}).get(host, frozenset())


def split_address(text: str) -> tuple[str, int | None]:
    """Address and port of "192.0.2.5:4569" or "[2001:db8::5]:4569"; ("", None) of "(null)" and the like."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        return str(ipaddress.ip_address(host)), whole_number(port)
    except ValueError:
        return "", None


def whole_number(text: str) -> int | None:
    """A number of at most nine digits, or None."""
    return int(text) if text.isdecimal() and len(text) < 10 else None
