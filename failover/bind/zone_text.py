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
import dns.rdatatype

from failover.errors import FailoverError
from host.printable import printable

Reader: TypeAlias = Callable[[Path], bytes]
"""Gives the bytes of a file; raises OSError."""

_CLASSES: Final = frozenset({b"IN", b"CH", b"HS", b"CLASS1", b"CLASS3", b"CLASS4"})
"""RFC 3597 §5: CLASS1 is IN."""
_TTL: Final = re.compile(rb"(?=\d)(?:\d+[smhdw])*\d*", re.IGNORECASE)
_MADE: Final = re.compile(r"\$(?:\{[^}]{0,64}\})?")
"""Where $GENERATE puts its number (BIND ARM, "BIND Primary File Extension: the $GENERATE Directive")."""
_MOST_NUMBERS: Final = 4
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
class LogicalLine:
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
class ZoneRecord:
    """A resource record where it stands.

    Attributes:
        file: its file.
        entry: its logical line.
        owner: absolute.
        inherits: the owner is that of the record before.
        kind: type, in capitals; TYPE1 is A (RFC 3597).
        rdata: the words of its data.
        default_ttl: a $TTL stands before it. Without one, a record without a TTL takes that of the one before.
    """

    file: Path
    entry: LogicalLine
    owner: dns.name.Name
    inherits: bool
    kind: str
    rdata: tuple[Token, ...]
    default_ttl: bool = False


@dataclass(frozen=True, slots=True)
class GenerateDirective:
    """A $GENERATE, whose records stand nowhere.

    Attributes:
        file, line: where it stands.
        names: what it makes, the number as a "*".
        kind: type, in capitals.
    """

    file: Path
    line: int
    names: dns.name.Name
    kind: str

    def makes(self, owner: dns.name.Name) -> bool:
        """Whether a name may be one of its own."""
        parts, name = self.names.to_text().lower().split("*"), owner.to_text().lower()
        if len(parts) > _MOST_NUMBERS:
            # More than anybody writes, and a pattern that could take for ever.
            return name.startswith(parts[0]) and name.endswith(parts[-1])
        return re.fullmatch("[0-9a-f.]+".join(map(re.escape, parts)), name) is not None


@dataclass(frozen=True, slots=True)
class IncludeDirective:
    """An $INCLUDE.

    Attributes:
        file: it stands in.
        name: the word that names the other file.
        target: that file.
    """

    file: Path
    name: Token
    target: Path


@dataclass(frozen=True, slots=True)
class ZoneFiles:
    """Everything that a zone's files say.

    Attributes:
        main: the file that named is told of.
        files: bytes of each file, $INCLUDEd ones too.
        records: in the order in which they are read.
        generated: every $GENERATE, whose records are not seen here.
        included: every $INCLUDE.
    """

    main: Path
    files: dict[Path, bytes]
    records: tuple[ZoneRecord, ...]
    generated: tuple[GenerateDirective, ...] = ()
    included: tuple[IncludeDirective, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    origin: dns.name.Name
    owner: dns.name.Name | None
    default_ttl: bool = False


def read_zone(main: Path, zone: str, reader: Reader, directory: Path | None = None) -> ZoneFiles:
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
    records: list[ZoneRecord] = []
    generated: list[GenerateDirective] = []
    included: list[IncludeDirective] = []

    def load(path: Path, place: _Place, depth: int) -> bool:
        if depth > _DEEPEST:
            raise ZoneFileUnclear(f"{path} includes itself. Remove the $INCLUDE that closes the circle.")
        if path in files:
            raise ZoneFileUnclear(f"{path} is included twice, so one change would make two. Include it once.")
        try:
            files[path] = data = reader(path)
        except OSError as error:
            raise ZoneFileUnclear(f"The zone file {path} cannot be read: {error.strerror}.") from None
        for entry in logical_lines(data, path):
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
                included.append(IncludeDirective(path, entry.tokens[1], target))
                # BIND keeps a $TTL of the included file, and takes origin and owner back.
                default_ttl = load(target, _Place(inner, place.owner, place.default_ttl), depth + 1)
                place = replace(place, default_ttl=default_ttl)
            elif word.upper() == b"$GENERATE":
                generated.append(_generated(path, entry, place.origin))
            elif word.upper() == b"$TTL":
                place = replace(place, default_ttl=True)
            else:
                raise ZoneFileUnclear(f"{path}:{entry.line}: '{word.decode('latin-1')}' is not known here.")

        return place.default_ttl

    load(main, _Place(origin, None), 0)
    return ZoneFiles(main, files, tuple(records), tuple(generated), tuple(included))


def logical_lines(data: bytes, path: Path = Path("zone")) -> Iterator[LogicalLine]:
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
            yield LogicalLine(start, at, data[start : start + 1] in (b" ", b"\t"), tuple(tokens), first, grouped)


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


def _record(path: Path, entry: LogicalLine, place: _Place) -> ZoneRecord:
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
    return ZoneRecord(path, entry, owner, entry.indented, _kind(words[0].text), tuple(words[1:]), place.default_ttl)


def _kind(word: bytes) -> str:
    text = word.upper().decode("latin-1")  # letters of ASCII alone
    try:
        return dns.rdatatype.to_text(dns.rdatatype.from_text(text)) if text.startswith("TYPE") else text
    except (dns.exception.DNSException, ValueError):
        return text


def _generated(path: Path, entry: LogicalLine, origin: dns.name.Name) -> GenerateDirective:
    """$GENERATE range lhs [ttl] [class] type rhs; what it makes is known to BIND alone."""
    words = [token.text for token in entry.tokens]
    left = _MADE.sub("*", words[2].decode("latin-1")) if len(words) > 2 else "*"
    kinds = [word for word in words[3:-1] if word.upper() not in _CLASSES and not _TTL.fullmatch(word)]
    names = _name(Token(left.encode("latin-1"), 0, 0), origin, path, entry)
    return GenerateDirective(path, entry.line, names, _kind(kinds[0]) if kinds else "")


def _name(token: Token, origin: dns.name.Name, path: Path, entry: LogicalLine) -> dns.name.Name:
    text = token.text
    if text.startswith(b'"') and text.endswith(b'"') and len(text) > 1:
        text = re.sub(rb"(?<!\\)([ \t])", rb"\\\1", text[1:-1])
    try:
        # A byte that is not ASCII stands for itself (RFC 1035 §5.1); only people call it a letter.
        return dns.name.from_text("".join(chr(byte) if byte < 0x80 else f"\\{byte:03d}" for byte in text), origin)
    except (dns.exception.DNSException, UnicodeError, ValueError):
        shown = printable(text.decode("utf-8", "backslashreplace"), 80)
        raise ZoneFileUnclear(f"{path}:{entry.line}: '{shown}' is not a name.") from None
