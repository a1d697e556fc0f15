"""Reads a master file (RFC 1035 §5.1) as records that know which bytes they stand at. No I/O but through a reader.

Only as much is understood as is needed to find an owner's records: names, types and where their data stands. What is
not understood is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import dns.exception
import dns.name

from failover.errors import FailoverError

Reader: TypeAlias = Callable[[Path], bytes]
"""Gives the bytes of a file; raises OSError."""

_CLASSES: Final = frozenset({b"IN", b"CH", b"HS"})
_TTL: Final = re.compile(rb"(\d+[smhdw]?)+", re.IGNORECASE)
_DEEPEST: Final = 20
"""$INCLUDE in $INCLUDE; deeper is a circle."""


class ZoneFileUnclear(FailoverError):
    """The zone file cannot be edited with certainty; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a master file.

    Attributes:
        text: as it stands there, with its quotes.
        start, end: bytes from the file's beginning.
    """

    text: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One logical line: up to a newline that no parenthesis or quote holds.

    Attributes:
        start, end: bytes, the newline included.
        indented: it begins with a blank, so that its owner is the one before.
        tokens: its words.
        line: number of its first line, from 1.
        grouped: it has parentheses.
    """

    start: int
    end: int
    indented: bool
    tokens: tuple[Token, ...]
    line: int
    grouped: bool


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record where it stands.

    Attributes:
        file: its file.
        entry: its logical line.
        owner: absolute.
        inherits: the owner is that of the record before.
        kind: type, in capitals.
        rdata: the words of its data.
    """

    file: Path
    entry: Entry
    owner: dns.name.Name
    inherits: bool
    kind: str
    rdata: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """Everything that a zone's files say.

    Attributes:
        main: the file that named is told of.
        files: bytes of each file, $INCLUDEd ones too.
        records: in the order in which they are read.
        generates: there is a $GENERATE, whose records are not seen here.
    """

    main: Path
    files: dict[Path, bytes]
    records: tuple[Record, ...]
    generates: bool


@dataclass(frozen=True, slots=True)
class _Place:
    origin: dns.name.Name
    owner: dns.name.Name | None


def read_zone(main: Path, zone: str, reader: Reader, directory: Path | None = None) -> Zone:
    """Reads a zone's file and all that it includes.

    Args:
        main: the master file.
        zone: its origin.
        reader: gives bytes.
        directory: what relative $INCLUDE paths start from: named's working directory; main's own by default.

    Raises:
        ZoneFileUnclear
    """
    origin = dns.name.from_text(zone)
    files: dict[Path, bytes] = {}
    records: list[Record] = []
    generates = False

    def load(path: Path, place: _Place, depth: int) -> None:
        nonlocal generates
        if depth > _DEEPEST:
            raise ZoneFileUnclear(f"{path} includes itself. Remove the $INCLUDE that closes the circle.")
        if path in files:
            raise ZoneFileUnclear(f"{path} is included twice, so one change would make two. Include it once.")
        try:
            files[path] = data = reader(path)
        except OSError as error:
            raise ZoneFileUnclear(f"The zone file {path} cannot be read: {error.strerror}.") from None
        for entry in entries(data, path):
            word = entry.tokens[0].text
            if not word.startswith(b"$") or entry.indented:
                record = _record(path, entry, place)
                records.append(record)
                place = replace(place, owner=record.owner)
            elif word.upper() == b"$ORIGIN" and len(entry.tokens) == 2:
                place = replace(place, origin=_name(entry.tokens[1], place.origin, path, entry))
            elif word.upper() == b"$INCLUDE" and len(entry.tokens) in (2, 3):
                target = (directory or main.parent) / entry.tokens[1].text.strip(b'"').decode(
                    "utf-8", "surrogateescape"
                )
                inner = place.origin
                if len(entry.tokens) == 3:
                    inner = _name(entry.tokens[2], place.origin, path, entry)
                load(target, _Place(inner, place.owner), depth + 1)
            elif word.upper() == b"$GENERATE":
                generates = True
            elif word.upper() != b"$TTL":
                raise ZoneFileUnclear(f"{path}:{entry.line}: '{word.decode('latin-1')}' is not known here.")

    load(main, _Place(origin, None), 0)
    return Zone(main, files, tuple(records), generates)


def entries(data: bytes, path: Path = Path("zone")) -> Iterator[Entry]:
    """The logical lines that hold anything.

    Raises:
        ZoneFileUnclear: a quote or a parenthesis is left open.
    """
    at, line = 0, 1
    while at < len(data):
        start, first = at, line
        tokens: list[Token] = []
        depth, grouped = 0, False
        while at < len(data):
            byte = data[at : at + 1]
            if byte == b"\n":
                at += 1
                line += 1
                if depth == 0:
                    break
            elif byte in (b" ", b"\t", b"\r"):
                at += 1
            elif byte == b";":
                end = data.find(b"\n", at)
                at = len(data) if end < 0 else end
            elif byte == b"(":
                depth, grouped, at = depth + 1, True, at + 1
            elif byte == b")":
                if depth == 0:
                    raise ZoneFileUnclear(f"{path}:{line}: a ')' that was not opened.")
                depth, at = depth - 1, at + 1
            else:
                token = _token(data, at, path, line)
                line += token.text.count(b"\n")
                tokens.append(token)
                at = token.end
        if depth:
            raise ZoneFileUnclear(f"{path}:{first}: a '(' is not closed.")
        if tokens:
            yield Entry(start, at, data[start : start + 1] in (b" ", b"\t"), tuple(tokens), first, grouped)


def _token(data: bytes, at: int, path: Path, line: int) -> Token:
    start = at
    quoted = data[at : at + 1] == b'"'
    if quoted:
        at += 1
    while at < len(data):
        byte = data[at : at + 1]
        if byte == b"\\":
            at += 2
            continue
        if quoted and byte == b'"':
            return Token(data[start : at + 1], start, at + 1)
        if quoted and byte == b"\n":
            break
        if not quoted and byte in (b" ", b"\t", b"\r", b"\n", b";", b"(", b")", b'"'):
            break
        at += 1
    if quoted:
        raise ZoneFileUnclear(f"{path}:{line}: a quote is not closed.")
    at = min(at, len(data))
    return Token(data[start:at], start, at)


def _record(path: Path, entry: Entry, place: _Place) -> Record:
    words = list(entry.tokens)
    if entry.indented:
        if place.owner is None:
            raise ZoneFileUnclear(f"{path}:{entry.line}: a record without an owner, and none before it.")
        owner = place.owner
    else:
        owner = _name(words.pop(0), place.origin, path, entry)
    ttl_seen = class_seen = False
    while words:
        word = words[0].text.upper()
        if not class_seen and word in _CLASSES:
            class_seen = True
        elif not ttl_seen and _TTL.fullmatch(word):
            ttl_seen = True
        else:
            break
        words.pop(0)
    if not words:
        raise ZoneFileUnclear(f"{path}:{entry.line}: a record without a type.")
    kind = words[0].text.decode("latin-1").upper()
    return Record(path, entry, owner, entry.indented, kind, tuple(words[1:]))


def _name(token: Token, origin: dns.name.Name, path: Path, entry: Entry) -> dns.name.Name:
    try:
        return dns.name.from_text(token.text.decode("latin-1"), origin)
    except (dns.exception.DNSException, UnicodeError):
        raise ZoneFileUnclear(f"{path}:{entry.line}: '{token.text.decode('latin-1')}' is not a name.") from None
