"""Names and values of records, between [dns.follow] and dnspython."""

from __future__ import annotations

import dns.name
import dns.rdata
from dns.rdtypes.ANY.TXT import TXT


def owner_of(name: str, origin: dns.name.Name) -> dns.name.Name:
    """A name of [dns.follow] as an absolute one; "@" is the zone itself."""
    return origin if name == "@" else dns.name.from_text(name, origin)


def text_of(rdata: dns.rdata.Rdata) -> str:
    """A record's value: a TXT's strings joined, without quotes; else as it is written."""
    if isinstance(rdata, TXT):
        return b"".join(rdata.strings).decode("utf-8", "backslashreplace")
    return rdata.to_text()
