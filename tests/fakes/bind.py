"""A BIND of ours: named.conf, zone files, `rndc` and the checkers, on top of FakeNameServer.

`rndc`, `named-checkconf`, `named-checkzone` and `named-compilezone` are programs of a few lines in a directory for
PATH: they hand their arguments to this process, which answers as BIND's would. Its raw format is text behind BIND's
magic number, and it keeps no journal.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.name
import dns.rdatatype
import dns.tsig
import dns.zone

from failover.bind import named_conf
from failover.bind.named_conf import ZoneStatement
from pair.named_grammar import NotNamedConf, Statement, parse
from tests.fakes.name_server import FakeNameServer
from tests.fakes.zone_data import Kind, ZoneData

RAW = b"\0\0\0\2"
PROGRAMS = ("rndc", "named-checkconf", "named-checkzone", "named-compilezone")
_PROGRAM = """#!{python} -ISE
import json, os, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect({path!r})
s.sendall(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]).encode() + b"\\n")
data = b""
while more := s.recv(65536):
    data += more
code, out, err = json.loads(data)
sys.stdout.write(out)
sys.stderr.write(err)
sys.stdout.flush()
os._exit(code)
"""


@dataclass(frozen=True)
class Printed:
    """What a program prints, and its exit code."""

    code: int
    out: str = ""
    err: str = ""


class Programs:
    """The directory of programs, and what answers them, while it is open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.binds: list[FakeBind] = []
        self._stopping = False

    def __enter__(self) -> Programs:
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "socket"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(64)
        for name in PROGRAMS:
            program = self.directory / name
            program.write_text(_PROGRAM.format(python=sys.executable, path=str(path)))
            program.chmod(0o755)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="BIND's programs")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.directory / "socket"))
        self._thread.join(30)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._stopping:
                connection.close()
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            name, *argv = json.loads(lines.readline())
            done = self.run(name, argv)
            connection.sendall(json.dumps([done.code, done.out, done.err]).encode())

    def run(self, name: str, argv: Sequence[str]) -> Printed:
        """What a program does with its arguments."""
        if name == "rndc":
            options, words = _rndc_words(argv)
            bind = next((one for one in self.binds if one.address == options.get("-s", one.address)), None)
            if bind is None or not bind.running or bind.silent:
                return Printed(1, "", "rndc: connect failed: connection refused\n")
            return bind.control(words)
        if name == "named-checkconf":
            return _check_conf(argv)
        return _check_zone(name, argv)


def _rndc_words(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    left = list(argv)
    while left and left[0].startswith("-"):
        options[left[0]] = left[1]
        del left[:2]
    return options, left


@dataclass
class FakeBind(FakeNameServer):
    """One named: what its named.conf says, read at `start` and at `rndc reconfig`.

    Attributes:
        conf: its named.conf.
        programs: where its `rndc` is answered.
    """

    conf: Path = Path("/nonexistent")
    programs: Programs | None = None
    statements: dict[dns.name.Name, ZoneStatement] = field(default_factory=dict)

    def start(self) -> None:
        """Reads the configuration, loads the zones, answers."""
        if self.programs is not None and self not in self.programs.binds:
            self.programs.binds.append(self)
        self.zones, self.statements = {}, {}
        self._configure()
        super().start()

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def control(self, words: Sequence[str]) -> Printed:
        """`rndc`: status, zonestatus, reload, reconfig, freeze, thaw, refresh."""
        verb, *rest = words
        with self._changing:
            if verb == "reconfig":
                try:
                    self._configure()
                except (NotNamedConf, OSError) as error:
                    return Printed(1, "", f"rndc: 'reconfig' failed: unexpected token\n{error}\n")
                return Printed(0)
            if verb == "status":
                return Printed(0, "server is up and running\n")
            zone = self.zones.get(dns.name.from_text(rest[0])) if rest else None
            if zone is None:
                return Printed(1, "", f"rndc: '{verb}' failed: not found\nno matching zone '{rest[0]}' in any view\n")
            if verb == "zonestatus":
                return self._zone_status(zone)
            if verb in ("freeze", "thaw"):
                zone.frozen = verb == "freeze"
                return Printed(0)
            if verb == "reload":
                failed = self._load(zone)
                self.changed(zone)
                return Printed(1, "", f"rndc: 'reload' failed: {failed}\n") if failed else Printed(0, "queued\n")
            return Printed(1, "", f"rndc: '{verb}' failed: unknown command\n")

    def _zone_status(self, zone: ZoneData) -> Printed:
        if zone.content is None:
            return Printed(1, "", "rndc: 'zonestatus' failed: zone not loaded\n")
        statement = self.statements[zone.name]
        said = {
            "name": zone.name.to_text(omit_final_dot=True),
            "type": zone.kind.value,
            "files": str(statement.file),
            "serial": str(zone.serial),
            "secure": "yes" if zone.content.get_rdataset(zone.name, "DNSKEY") else "no",
            "inline signing": "yes" if statement.inline_signing else "no",
            "dynamic": "yes" if statement.dynamic else "no",
            "frozen": "yes" if zone.frozen else "no",
        }
        return Printed(0, "".join(f"{key}: {value}\n" for key, value in said.items()))

    def _configure(self) -> None:
        text = _expanded(self.conf)
        statements = {
            dns.name.from_text(one.name): one for one in named_conf.read(_printed(parse(text)), self.conf.parent).zones
        }
        top = parse(text)
        self.keys = {key.name: key for key in _keys(top)}
        given = {dns.name.from_text(one.words[1]): one.blocks[-1] for one in top if one.name == "zone" and one.blocks}
        for name in list(self.zones):
            if name not in statements:
                del self.zones[name]
        for name, statement in statements.items():
            before = self.zones.get(name)
            if before is not None and self.statements.get(name) == statement:
                continue
            options = {one.name: one for one in given[name]}
            zone = ZoneData(
                name,
                Kind(statement.kind),
                update_keys=_update_keys(options),
                granted=_granted(options),
                primaries=statement.primaries,
                also_notify=_addresses(options.get("also-notify")),
            )
            self.statements[name] = statement
            self.zones[name] = zone
            self._load(zone)
            if self.running and zone.kind is Kind.SECONDARY:
                self._run(self._follow, zone)
            elif self.running:
                self.changed(zone)

    def _load(self, zone: ZoneData) -> str:
        """Reads the zone's file; why it cannot, or empty. What is served stays then."""
        statement = self.statements[zone.name]
        assert statement.file is not None
        if zone.kind is Kind.SECONDARY and (not statement.file.exists() or statement.file.stat().st_mtime <= 1):
            return ""
        try:
            zone.content = _read_zone(zone.name, statement.file, raw=statement.raw, directory=self.conf.parent)
        except _NotLoaded as error:
            return str(error)
        return ""

    def changed(self, zone: ZoneData) -> None:
        """BIND's journal; this one writes the file at once where the zone takes updates."""
        if self.statements[zone.name].dynamic:
            self._write(zone)
        super().changed(zone)

    def transferred(self, zone: ZoneData) -> None:
        """As a secondary does, in the format of its statement."""
        self._write(zone)

    def _write(self, zone: ZoneData) -> None:
        statement = self.statements[zone.name]
        assert statement.file is not None
        assert zone.content is not None
        statement.file.write_bytes((RAW if statement.raw else b"") + _canonical(zone.content).encode())


class _NotLoaded(Exception):
    """A zone's file cannot be loaded; the text is as BIND's."""


def _read_zone(name: dns.name.Name, file: Path, *, raw: bool, directory: Path) -> dns.zone.Zone:
    try:
        data = file.read_bytes()
    except OSError:
        raise _NotLoaded(f"zone {name}/IN: loading from master file {file.name} failed: file not found") from None
    if data.startswith(RAW) is not raw:
        raise _NotLoaded(f"zone {name}/IN: loading from master file {file.name} failed: not implemented")
    text = data.removeprefix(RAW).decode("utf-8", "surrogateescape")
    try:
        return dns.zone.from_text(_with_includes(text, directory), name, relativize=False, check_origin=True)
    except (dns.exception.DNSException, ValueError, OSError) as error:
        shown = str(error).replace("Text input is malformed.", "bad dotted quad")
        raise _NotLoaded(f"zone {name}/IN: loading from master file {file.name} failed: {shown}") from None


def _with_includes(text: str, directory: Path) -> str:
    def included(match: re.Match[str]) -> str:
        return _with_includes((directory / match[1].strip('"')).read_text(), directory)

    return re.sub(r"^\$INCLUDE[ \t]+(\S+)[^\n]*$", included, text, flags=re.MULTILINE)


def _canonical(zone: dns.zone.Zone) -> str:
    """As `named-checkzone -D -s full` prints it: the SOA first, one record a line."""
    rows = [
        (rdataset.rdtype != dns.rdatatype.SOA, name, rdataset.rdtype, rdataset.ttl, rdata.to_text())
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    ]
    return "".join(
        f"{name} {ttl} IN {dns.rdatatype.to_text(kind)} {data}\n" for _, name, kind, ttl, data in sorted(rows)
    )


def _check_conf(argv: Sequence[str]) -> Printed:
    conf = Path(argv[-1])
    try:
        statements = parse(_expanded(conf))
        found = named_conf.read(_printed(statements), conf.parent)
    except (NotNamedConf, OSError) as error:
        return Printed(1, f"{conf}:1: unexpected token near end of file: {error}\n")
    if "-px" in argv or "-p" in argv:
        return Printed(0, _printed(statements))
    said = []
    for zone in found.zones:
        if zone.kind == "primary" and zone.file is not None:
            try:
                _read_zone(dns.name.from_text(zone.name), zone.file, raw=zone.raw, directory=found.directory)
            except _NotLoaded as error:
                said.append(f"{error}\nzone {zone.name}/IN: not loaded due to errors.\n")
    return Printed(1 if said else 0, "".join(said))


def _check_zone(program: str, argv: Sequence[str]) -> Printed:
    options, zone, file = _zone_arguments(argv)
    directory = Path(options.get("-w", "."))
    try:
        made = _read_zone(dns.name.from_text(zone), Path(file), raw=options.get("-f") == "raw", directory=directory)
    except _NotLoaded as error:
        return Printed(1, f"{error}\nzone {zone}/IN: not loaded due to errors.\n")
    if program == "named-checkzone":
        return Printed(0, _canonical(made))
    head = RAW if options.get("-F") == "raw" else b""
    Path(options["-o"]).write_bytes(head + _canonical(made).encode())
    return Printed(0, f"zone {zone}/IN: loaded serial 1\nOK\n")


def _zone_arguments(argv: Sequence[str]) -> tuple[dict[str, str], str, str]:
    options: dict[str, str] = {}
    left = list(argv)
    while left[0].startswith("-"):
        flag = left.pop(0)
        options[flag] = "" if flag in ("-D", "-j") else left.pop(0)
    return options, left[0], left[1]


def _expanded(conf: Path) -> str:
    def included(match: re.Match[str]) -> str:
        return _expanded(conf.parent / match[1])

    return re.sub(r'^\s*include\s+"([^"]+)"\s*;', included, conf.read_text(), flags=re.MULTILINE)


def _printed(statements: Sequence[Statement], indent: str = "") -> str:
    """As `named-checkconf -px`: one statement a line, secrets struck out."""
    found = ""
    for one in statements:
        words = " ".join([one.words[0], *(json.dumps(word) for word in one.words[1:])]) if one.words else ""
        if one.name == "secret":
            words = 'secret "????????"'
        if one.blocks:
            inner = _printed(one.blocks[-1], indent + "\t")
            found += f"{indent}{words} {{\n{inner}{indent}}};\n"
        else:
            found += f"{indent}{words};\n"
    return found


def _keys(top: Sequence[Statement]) -> Iterator[dns.tsig.Key]:
    for one in top:
        if one.name == "key" and one.blocks:
            options = {each.name: "".join(each.words[1:]) for each in one.blocks[-1]}
            yield dns.tsig.Key(one.words[1], options["secret"], options["algorithm"])


def _update_keys(options: dict[str, Statement]) -> frozenset[str]:
    allowed = options.get("allow-update")
    if allowed is not None:
        return frozenset(one.words[1] for one in allowed.blocks[-1] if one.name == "key")
    policy = options.get("update-policy")
    return frozenset(one.words[1] for one in policy.blocks[-1]) if policy is not None else frozenset()


def _granted(options: dict[str, Statement]) -> frozenset[tuple[dns.name.Name, str]] | None:
    """`grant KEY name OWNER TYPE…;` each; None where a rule covers the whole zone."""
    policy = options.get("update-policy")
    if policy is None or any("zonesub" in one.words for one in policy.blocks[-1]):
        return None
    return frozenset((dns.name.from_text(one.words[3]), kind) for one in policy.blocks[-1] for kind in one.words[4:])


def _addresses(listed: Statement | None) -> tuple[str, ...]:
    return tuple(one.words[0] for one in listed.blocks[-1]) if listed is not None else ()


@contextlib.contextmanager
def on_path(directory: Path) -> Iterator[None]:
    """Programs of a directory go before all others."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{directory}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
