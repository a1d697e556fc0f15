"""Four name servers on loopback addresses: boston and dallas with localized directories, ns3, and the parent zone.

What a test needs of them is the same for BIND (tests/world/binds.py) and for ours (`FakeServers`), so that one test
runs on both.
"""

from __future__ import annotations

import contextlib
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import dns.exception
import dns.message
import dns.query

from failover.bind.named import LocalNamed
from failover.steps.dns.renotify import RenotifyTask
from failover.steps.dns.step import DnsStep
from host.places import Places
from lab.until import until
from localized.generations.store import GenerationStore
from localized.role import Role
from pair.sections.dns import Dns
from pair.tsig_key import TsigKey, parse_tsig_key
from tests.fakes.bind import FakeBind, Programs, on_path

NET = f"127.{53 + os.getpid() % 200}.{os.getpid() // 200 % 250}"
"""Two runs of these tests on one machine, side by side, do not meet."""
ADDRESSES = {"boston": f"{NET}.11", "dallas": f"{NET}.12", "ns3": f"{NET}.13", "parent": f"{NET}.14"}
KEY = 'key "failover" {\n  algorithm hmac-sha256;\n  secret "bm90IGEgc2VjcmV0IGF0IGFsbCwgYSB0ZXN0";\n};\n'
SERIAL = 4711

ZONE = """\
; acme.example, by hand: this comment stays
$TTL 1h
@   IN SOA ns1 hostmaster.acme.example. (
        {serial} ; serial
        1d 2h 4w 1h )
    IN NS  ns1
    IN NS  ns2
    IN NS  ns3
ns1 IN A   {net}.11
ns2 IN A   {net}.12
ns3 IN A   {net}.13
$INCLUDE phones.inc
www 30 IN A 192.0.2.21 ; the web
"""
PHONES = '; the phones\npbx\t30\tIN\tA\t192.0.2.11\t; boston\n\tIN\tTXT\t"do not touch; really"\n'


def free_port() -> int:
    """A port that is free on all of the addresses, with the one after it."""
    for port in range(5300, 5900, 7):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for address in ADDRESSES.values():
                for number in (port, port + 1):
                    tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
                    tcp.bind((address, number))
            return port
    raise OSError("no port is free")


@dataclass
class Server(ABC):
    """One name server with a named.conf of its own."""

    name: str
    directory: Path
    port: int

    @abstractmethod
    def start(self) -> None:
        """Begins to answer."""

    @abstractmethod
    def stop(self) -> None:
        """As a process that is killed."""

    @abstractmethod
    def pause(self) -> None:
        """As a process that is frozen: it takes what comes, and answers nothing."""

    @property
    def address(self) -> str:
        return ADDRESSES[self.name]

    @property
    def places(self) -> Places:
        return Places(self.directory / "etc", self.directory / "state", self.directory / "run")

    @property
    def rndc(self) -> tuple[str, ...]:
        return ("rndc", "-s", self.address, "-p", str(self.port + 1), "-c", str(self.directory / "rndc.conf"))

    @property
    def named(self) -> LocalNamed:
        return LocalNamed(self.directory / "named.conf", self.rndc)

    def write(self, zones: str) -> None:
        """Writes named.conf with these zones; `{localized}` wires current-dns."""
        (self.directory / "named.conf").write_text(
            f"""{KEY}
options {{
    directory "{self.directory}"; pid-file none; session-keyfile none;
    listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }};
    query-source address {self.address}; transfer-source {self.address}; notify-source {self.address};
    allow-transfer {{ any; }}; recursion no; dnssec-validation no; notify yes; notify-delay 0; minimal-responses no;
}};
controls {{ inet {self.address} port {self.port + 1} allow {{ any; }} keys {{ "failover"; }}; }};
{zones}
"""
        )
        (self.directory / "rndc.conf").write_text(f'{KEY}options {{ default-key "failover"; }};\n')

    def answers(self, name: str, kind: str) -> str:
        """Its answer's data, sorted; a reason in brackets when there is none."""
        query = dns.message.make_query(name, kind)
        try:
            answer = dns.query.udp(query, self.address, timeout=0.5, port=self.port)
        except (OSError, dns.exception.DNSException):
            return "(silent)"
        found = sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset)
        return " ".join(found) or f"({answer.rcode().name})"

    def wait_for(self, name: str, kind: str, text: str) -> None:
        """Until it says so."""
        what = f"{text} from {self.name} for {name} {kind}"
        until(lambda: text in self.answers(name, kind), what, told=lambda: self.answers(name, kind))


S = TypeVar("S", bound=Server)


@dataclass
class FourServers(ABC, Generic[S]):
    """All four, and what a promotion needs of them."""

    directory: Path
    port: int = field(default_factory=free_port)
    method: str = "update"
    secondary_format: str = ""
    signed: bool = False

    def __post_init__(self) -> None:
        self.all: dict[str, S] = {}
        self.renotify_tasks: list[RenotifyTask] = []
        for name in ADDRESSES:
            where = self.directory / name
            (where / "etc" / "localized" / "generations").mkdir(parents=True)
            (where / "keys").mkdir()
            self.all[name] = self.make(name, where)
        self._files()

    @abstractmethod
    def make(self, name: str, directory: Path) -> S:
        """One of them."""

    @abstractmethod
    def clock_off(self, name: str) -> contextlib.AbstractContextManager[None]:
        """While it is entered, that server's clock and ours are an hour apart."""

    def __getitem__(self, name: str) -> S:
        return self.all[name]

    def _files(self) -> None:
        secondaries = "".join(f"{ADDRESSES[name]} port {self.port}; " for name in ("boston", "dallas", "ns3"))
        allow = 'allow-update { key "failover"; };' if self.method == "update" else ""
        for machine, peer in (("boston", "dallas"), ("dallas", "boston")):
            bind = self.all[machine]
            bind.write(f'include "{bind.places.localized}/current-dns/named/zones.conf";')
            primary = f'type primary; file "acme.db"; {allow} also-notify {{ {secondaries} }}; masterfile-format text;'
            if self.signed:
                primary += f' dnssec-policy default; inline-signing no; key-directory "{bind.directory}/keys";'
            primaries = f"primaries port {self.port} {{ {ADDRESSES[peer]}; }};"
            secondary = f'type secondary; file "acme.db"; {primaries} {self.secondary_format}'
            for number, (role, body) in enumerate((("dns-primary", primary), ("dns-secondary", secondary)), 1):
                conf = bind.places.localized / "generations" / f"{number}-{role}-{'0' * 12}" / "named" / "zones.conf"
                conf.parent.mkdir(parents=True)
                conf.write_text(f'zone "acme.example" {{ {body} }};\n')
            store = GenerationStore(bind.places)
            generation = store.newest(Role.DNS_PRIMARY if machine == "boston" else Role.DNS_SECONDARY)
            assert generation is not None
            store.activate(generation)
        (self["boston"].directory / "acme.db").write_text(ZONE.format(net=NET, serial=SERIAL))
        for machine in ("boston", "dallas"):
            (self[machine].directory / "phones.inc").write_text(PHONES)
        # The standby first: a secondary that asks a dead primary first waits a minute.
        primaries = " ".join(f"{ADDRESSES[name]} port {self.port};" for name in ("dallas", "boston"))
        self["ns3"].write(f'zone "acme.example" {{ type secondary; file "acme.db"; primaries {{ {primaries} }}; }};')
        self["parent"].write('zone "example" { type primary; file "example.db"; };')
        (self["parent"].directory / "example.db").write_text(
            "$TTL 1h\n@ SOA ns hostmaster 1 1d 2h 4w 1h\n  NS ns\nns A "
            f"{NET}.14\n" + "".join(f"acme NS ns{n}.acme\nns{n}.acme A {NET}.1{n}\n" for n in (1, 2, 3))
        )

    def start(self) -> None:
        for bind in self.all.values():
            bind.start()
        self["parent"].wait_for("example", "SOA", "hostmaster")
        for name in ("boston", "dallas", "ns3"):
            self[name].wait_for("pbx.acme.example", "A", "192.0.2.11")

    def stop(self) -> None:
        for bind in self.all.values():
            bind.stop()

    def dns(self, **more: object) -> Dns:
        """[dns] as pair.toml would have it, with the third server known by the delegation alone."""
        given = {
            "zone": "acme.example",
            "method": self.method,
            "key_file": "tsig.key",
            "servers": {name: ADDRESSES[name] for name in ("boston", "dallas")},
            "port": self.port,
            "parent": [ADDRESSES["parent"]],
            "agree_within_s": 3.0,
            "follow": {
                "pbx": {"boston": "192.0.2.11", "dallas": "192.0.2.12"},
                "www": {"boston": "192.0.2.21", "dallas": "192.0.2.22"},
            },
            **more,
        }
        if self.method == "zonefile":
            given["zone_file"] = str(self["dallas"].directory / "acme.db")
        if self.signed:
            given["dnssec_policy"] = "default"
        return Dns.model_validate(given)

    def step(
        self, machine: str, epoch: int, *, dead: tuple[str, ...] = (), peer: str = "", key: str = KEY, **more: object
    ) -> DnsStep:
        """The step on a machine; what it would have told on is kept in `renotify_tasks`."""
        bind = self[machine]
        if self.signed:
            more = {"key_directory": str(bind.directory / "keys"), **more}
        return DnsStep(
            self.dns(**more),
            machine,
            epoch,
            named=bind.named,
            store=GenerationStore(bind.places),
            key=self.key(key),
            dead=dead,
            peer=peer,
            remind=self.renotify_tasks.append,
        )

    def key(self, text: str = KEY) -> TsigKey:
        """A key from a key file's text."""
        return parse_tsig_key(text, "tsig.key")

    @contextlib.contextmanager
    def boston_is_dead_and_silent(self) -> Iterator[None]:
        """Its process is gone and a datagram to it is lost, as on the way to a machine without power. On loopback the
        kernel would say at once that nobody is there."""
        self["boston"].stop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
            hole.bind((ADDRESSES["boston"], self.port))
            yield

    def serial(self, name: str) -> int:
        """The serial that a server has."""
        return int(self[name].answers("acme.example", "SOA").split()[2])


AnyServers: TypeAlias = "FourServers[Any]"


@dataclass
class FakeServer(Server):
    """One of ours."""

    programs: Programs | None = None

    def __post_init__(self) -> None:
        self.bind = FakeBind(self.address, self.port, conf=self.directory / "named.conf", programs=self.programs)

    def start(self) -> None:
        self.bind.silent = False
        self.bind.start()

    def stop(self) -> None:
        self.bind.stop()

    def pause(self) -> None:
        self.bind.silent = True


@dataclass
class FakeServers(FourServers[FakeServer]):
    """Four of ours, and the programs that go with BIND; open while it is entered."""

    def __post_init__(self) -> None:
        self.programs = Programs(self.directory / "bin")
        super().__post_init__()

    def make(self, name: str, directory: Path) -> FakeServer:
        return FakeServer(name, directory, self.port, self.programs)

    @contextlib.contextmanager
    def clock_off(self, name: str) -> Iterator[None]:
        self[name].bind.clock_off_s = 3600.0
        try:
            yield
        finally:
            self[name].bind.clock_off_s = 0.0

    def __enter__(self) -> FakeServers:
        self._opened = contextlib.ExitStack()
        self._opened.enter_context(self.programs)
        self._opened.enter_context(on_path(self.programs.directory))
        self._opened.callback(self.stop)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
