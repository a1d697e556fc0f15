"""Changes records and the serial in a zone's files, and not one byte besides.

Comments, $INCLUDE, $TTL, order, columns and line ends stay. A value is replaced where it stands; a record too many
loses its words and keeps its comment; a record too few is put after the last one of its name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import dns.exception
import dns.name
import dns.rdata

from failover.bind.zone_text import ZoneFiles, ZoneFileUnclear, ZoneRecord
from failover.name_servers.agreement import RecordKey, Records
from failover.name_servers.records import text_of
from failover.name_servers.serial import later


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Bytes `start` to `end` of a file become `text`."""

    file: Path
    start: int
    end: int
    text: bytes


def serial_of(zone: ZoneFiles, name: str) -> int:
    """The serial that the zone's SOA says.

    Raises:
        ZoneFileUnclear
    """
    return int(_soa(zone, name).rdata[2].text)


def values_of(zone: ZoneFiles, name: str, key: RecordKey) -> frozenset[str]:
    """The values that a name has in the files, of one type."""
    return frozenset(_value(record) for record in _records(zone, name, key))


def edits(zone: ZoneFiles, name: str, want: Records, *, serial: int, ttl_s: int) -> list[Edit]:
    """What has to change in the files for the zone to say `want`, with `serial`.

    Args:
        zone: as read.
        name: of the zone.
        want: all values of these names and types; other records are left alone.
        serial: must be later than the present one (RFC 1982).
        ttl_s: of records that are added; those that are there keep theirs.

    Raises:
        ZoneFileUnclear: the files cannot be changed with certainty.
    """
    soa = _soa(zone, name)
    if not later(serial, serial_of(zone, name)):
        raise ZoneFileUnclear(f"The serial of {name} would go from {serial_of(zone, name)} back to {serial}.")
    require_served(zone, name, want)
    made = [Edit(soa.file, soa.rdata[2].start, soa.rdata[2].end, str(serial).encode("ascii"))]
    changes = [_change(zone, name, key, values) for key, values in want.items()]
    # By identity: to compare thousands of records with each other would take minutes.
    going = {id(record) for change in changes for record in change.doomed}
    places = {id(record): place for place, record in enumerate(zone.records)} if going else {}
    for change in changes:
        for record, value in change.replaced:
            made += _replaced(record, change.kind, value)
        for record in change.doomed:
            made += _removed(zone, record, places[id(record)], going)
        if change.missing:
            made.append(_added(zone, change.owner, change.kind, change.missing, ttl_s))
    return made


def applied(zone: ZoneFiles, made: list[Edit]) -> dict[Path, bytes]:
    """The new bytes of each file that changes."""
    changed: dict[Path, bytes] = {}
    for edit in sorted(made, reverse=True):
        data = changed.get(edit.file, zone.files[edit.file])
        changed[edit.file] = data[: edit.start] + edit.text + data[edit.end :]
    return changed


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of the records of one name and type.

    Attributes:
        replaced: records that get another value.
        doomed: those that go.
        missing: values that no record has yet.
    """

    owner: dns.name.Name
    kind: str
    replaced: list[tuple[ZoneRecord, str]]
    doomed: list[ZoneRecord]
    missing: list[str]


def _change(zone: ZoneFiles, name: str, key: RecordKey, values: frozenset[str]) -> _Change:
    there = _records(zone, name, key)
    missing = sorted(values - {_value(record) for record in there})
    changing = [record for record in there if _value(record) not in values]
    return _Change(
        _owner(name, key),
        key[1],
        list(zip(changing, missing, strict=False)),
        changing[len(missing) :],
        missing[len(changing) :],
    )


def require_served(zone: ZoneFiles, name: str, keys: Iterable[RecordKey]) -> None:
    """Whether what is written at these names would be served from this zone at all, and is all that stands there.

    Raises:
        ZoneFileUnclear
    """
    for owner in {_owner(name, key) for key in keys}:
        _raise_if_hidden(zone, dns.name.from_text(name), owner)


def _raise_if_hidden(zone: ZoneFiles, origin: dns.name.Name, owner: dns.name.Name) -> None:
    for record in zone.records:
        where = f"{record.file}:{record.entry.line}"
        if record.kind == "CNAME" and record.owner == owner:
            raise ZoneFileUnclear(f"{where}: {owner} is an alias (CNAME). Give that name its addresses itself.")
        if record.kind == "NS" and record.owner != origin and owner.is_subdomain(record.owner):
            raise ZoneFileUnclear(
                f"{where}: {record.owner} is delegated to other name servers, so nothing that stands at {owner} here "
                "is ever served. Follow a name outside of that delegation in [dns.follow]."
            )
        if record.kind == "DNAME" and record.owner != owner and owner.is_subdomain(record.owner):
            raise ZoneFileUnclear(
                f"{where}: all names below {record.owner} are aliases (DNAME), {owner} too. Follow another name."
            )
    for made in zone.generated:
        if made.makes(owner) and made.kind in {"A", "AAAA", "CNAME", "TXT", "NS", "DNAME"}:
            raise ZoneFileUnclear(
                f"{made.file}:{made.line}: {owner} may come from this $GENERATE, which makes {made.kind} records. Take "
                "it out of the range, and give it its own record."
            )


def _replaced(record: ZoneRecord, kind: str, value: str) -> list[Edit]:
    if not record.rdata:
        raise ZoneFileUnclear(
            f"{record.file}:{record.entry.line}: this {kind} record has no data. Write it, or remove it."
        )
    first, *others = record.rdata
    made = [Edit(record.file, first.start, first.end, _written(kind, value))]
    return made + [Edit(record.file, token.start, token.end, b"") for token in others]


def _removed(zone: ZoneFiles, record: ZoneRecord, place: int, going: Collection[int]) -> list[Edit]:
    """Takes the record's words out; who inherited its owner gets it spelled out."""
    if record.entry.grouped:
        raise ZoneFileUnclear(
            f"{record.file}:{record.entry.line}: a record in parentheses has to go. Write it on one line."
        )
    tokens = record.entry.tokens
    made = [Edit(record.file, tokens[0].start, tokens[-1].end, b"")]
    heir = None if record.inherits else _heir(zone, record, place, going)
    if heir is not None:
        made.append(Edit(heir.file, heir.entry.start, heir.entry.start, tokens[0].text))
    return made


def _heir(zone: ZoneFiles, record: ZoneRecord, place: int, going: Collection[int]) -> ZoneRecord | None:
    """The first record that takes its owner from this one, and stays."""
    for after in islice(zone.records, place + 1, None):
        if not after.inherits:
            return None
        if after.file != record.file:
            raise ZoneFileUnclear(f"{after.file}:{after.entry.line}: give this record its owner's name.")
        if id(after) not in going:
            return after
    return None


def _added(zone: ZoneFiles, owner: dns.name.Name, kind: str, values: list[str], ttl_s: int) -> Edit:
    """One edit for all, so that their order is told."""
    lines = b"".join(
        b"%s\t%d\tIN\t%s\t%s\n" % (owner.to_text().encode("ascii"), ttl_s, kind.encode("ascii"), _written(kind, value))
        for value in values
    )
    same = [record for record in zone.records if record.owner == owner]
    # A TTL of ours must not become that of the records behind it: without a $TTL they take the last one that was said.
    beside = same[-1] if same and same[-1].default_ttl else None
    file = beside.file if beside else zone.main
    data = zone.files[file]
    at = beside.entry.end if beside else len(data)
    if at == len(data) and data and not data.endswith(b"\n"):
        lines = b"\n" + lines
    return Edit(file, at, at, lines)


def _records(zone: ZoneFiles, name: str, key: RecordKey) -> list[ZoneRecord]:
    owner = _owner(name, key)
    return [record for record in zone.records if record.owner == owner and record.kind == key[1]]


def _owner(name: str, key: RecordKey) -> dns.name.Name:
    origin = dns.name.from_text(name)
    return origin if key[0] == "@" else dns.name.from_text(key[0], origin)


def _soa(zone: ZoneFiles, name: str) -> ZoneRecord:
    found = [record for record in zone.records if record.kind == "SOA"]
    if len(found) != 1 or found[0].owner != dns.name.from_text(name):
        raise ZoneFileUnclear(f"{zone.main} must have one SOA record, of {name}; it has {len(found)}.")
    if len(found[0].rdata) != 7 or not re.fullmatch(rb"[0-9]{1,10}", found[0].rdata[2].text):
        raise ZoneFileUnclear(f"{found[0].file}:{found[0].entry.line}: this SOA's serial cannot be read.")
    return found[0]


def _value(record: ZoneRecord) -> str:
    words = " ".join(token.text.decode("latin-1") for token in record.rdata)
    if record.kind in ("A", "AAAA") or words.startswith("\\#"):
        try:
            # Written as RFC 3597 says, or as usual.
            rdata = dns.rdata.from_text("IN", record.kind, words)
            return text_of(rdata)
        except (dns.exception.DNSException, ValueError):
            return words
    return "".join(token.text.decode("latin-1").strip('"') for token in record.rdata)


def _written(kind: str, value: str) -> bytes:
    return b'"%s"' % value.encode("ascii") if kind == "TXT" else value.encode("ascii")
