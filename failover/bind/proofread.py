"""Whether an edit of a zone file changed what was meant and nothing else, as BIND reads the file before and after.

Our own reader knows where words stand; what they mean is known to BIND alone: $GENERATE, TTLs that are inherited, names
and types in any spelling. So both readings are compared, record by record, before the file counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import dns.exception
import dns.name
import dns.rdata

from failover.bind.named import LocalNamed
from failover.bind.zone_edit import Edit, applied, require_served, values_of
from failover.bind.zone_text import ZoneFiles, ZoneFileUnclear, read_zone
from failover.name_servers.agreement import RecordKey, Records
from failover.name_servers.records import owner_of, text_of
from host.printable import printable

Canonical: TypeAlias = Mapping[tuple[str, str], tuple[str, frozenset[str]]]
"""Owner, absolute and in small letters, and type -> TTL and data, as named-checkzone -D prints them."""

_SIGNATURES = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"})


def canonical(printed: str) -> Canonical:
    """What `named-checkzone -D -s full` printed: one record a line."""
    found: dict[tuple[str, str], tuple[str, set[str]]] = {}
    for line in printed.splitlines():
        words = line.split(None, 4)
        if len(words) == 5 and not line.startswith(";"):
            owner, ttl, _, kind, data = words
            found.setdefault((owner.lower(), kind), (ttl, set()))[1].add(data.strip())
    return {key: (ttl, frozenset(data)) for key, (ttl, data) in found.items()}


def read_proofread(name: str, path: Path, named: LocalNamed, keys: Iterable[RecordKey]) -> tuple[ZoneFiles, Canonical]:
    """A zone's file as we read it and as BIND does, where both say the same at these names and an edit would be served.

    Raises:
        ZoneFileUnclear, NamedRefuses
    """
    keys = tuple(keys)
    records = canonical(named.canonical(name, path))
    require_unsigned(records, path)
    zone = read_zone(path, name, Path.read_bytes, named.directory())
    require_served(zone, name, keys)
    require_same(zone, name, records, keys)
    return zone, records


def require_unsigned(records: Canonical, path: Path) -> None:
    """Refuses a file with signatures in it: an edit makes them wrong, and validating resolvers drop the whole zone.

    Raises:
        ZoneFileUnclear
    """
    if any(kind in _SIGNATURES for _, kind in records):
        raise ZoneFileUnclear(
            f"{path} is signed (DNSSEC: it holds RRSIG records), and an edit would make its signatures wrong. Let "
            "named serve the file that is not signed, with dnssec-policy and 'inline-signing yes;'; or use method "
            "'update'."
        )


def require_same(zone: ZoneFiles, name: str, records: Canonical, keys: Iterable[RecordKey]) -> None:
    """Refuses where BIND finds other values at these names than we do.

    Raises:
        ZoneFileUnclear
    """
    for key in keys:
        ours, theirs = values_of(zone, name, key), _values(records, name, key)
        if ours != theirs:
            makers = "; ".join(f"a $GENERATE stands at {one.file}:{one.line}" for one in zone.generated[:5])
            raise ZoneFileUnclear(
                f"{zone.main}: at {key[0]} {key[1]} BIND reads {_shown(theirs)}, where {_shown(ours)} is written. "
                f"Write that record on a line of its own{'; ' + makers if makers else ''}."
            )


def proofread_edits(
    zone: ZoneFiles, name: str, made: list[Edit], want: Records, named: LocalNamed, before: Canonical
) -> dict[Path, bytes]:
    """The new bytes of each file that changes, after BIND has read them, in a directory of their own.

    Raises:
        ZoneFileUnclear: something else than what was meant would change.
        NamedRefuses: it would not load.
    """
    with tempfile.TemporaryDirectory(prefix="hotstandby-zone-") as scratch:
        places = {file: Path(scratch) / str(number) for number, file in enumerate(zone.files)}
        there = [
            Edit(one.file, one.name.start, one.name.end, b'"%s"' % str(places[one.target]).encode())
            for one in zone.included
        ]
        for file, data in {**zone.files, **applied(zone, [*made, *there])}.items():
            places[file].write_bytes(data)
        after = canonical(named.canonical(name, places[zone.main]))
    wrong = list(_besides(before, after, name, want))
    if wrong:
        raise ZoneFileUnclear(
            f"An edit of {zone.main} would change more than was meant: {'; '.join(wrong[:3])}. Nothing was changed. "
            "Write the followed names on lines of their own, with owner and TTL."
        )
    return applied(zone, made)


def _besides(before: Canonical, after: Canonical, name: str, want: Records) -> Iterator[str]:
    origin = dns.name.from_text(name)
    meant = {(owner_of(key[0], origin).to_text().lower(), key[1]) for key in want}
    apex = origin.to_text().lower()
    for key in sorted(before.keys() | after.keys()):
        if key == (apex, "SOA"):
            if _without_serial(before.get(key)) != _without_serial(after.get(key)):
                yield f"{key[0]} SOA"
        elif key not in meant and before.get(key) != after.get(key):
            yield f"{key[0]} {key[1]}"
    for each, values in want.items():
        if _values(after, name, each) != values:
            yield f"{each[0]} {each[1]} would be {_shown(_values(after, name, each))}"


def _without_serial(found: tuple[str, frozenset[str]] | None) -> object:
    if found is None:
        return None
    words = [data.split() for data in found[1]]
    return found[0], [one[:2] + one[3:] for one in words]


def _values(records: Canonical, name: str, key: RecordKey) -> frozenset[str]:
    owner = owner_of(key[0], dns.name.from_text(name)).to_text().lower()
    _, data = records.get((owner, key[1]), ("", frozenset()))
    return frozenset(_value(key[1], one) for one in data)


def _value(kind: str, data: str) -> str:
    try:
        return text_of(dns.rdata.from_text("IN", kind, data))
    except (dns.exception.DNSException, ValueError):
        return data


def _shown(values: frozenset[str]) -> str:
    return printable(" ".join(sorted(values)), 120) if values else "nothing"
