"""What a promotion believes of other name servers, and what others must be able to believe of the zone (DNSSEC)."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from failover.errors import NotProven
from failover.name_servers.agreement import MOST_SERVERS
from failover.name_servers.transport import DnsTransport
from failover.steps.dns.bind_role import take_role
from failover.steps.dns.obstacle import zone_obstacle
from failover.steps.dns.step import DnsLags, DnsStep
from lab.until import until
from localized.generations.store import GenerationStore
from localized.role import Role
from tests.world.failover.dns.binds import NET, SERIAL, ZONE, Bind, Binds

pytestmark = pytest.mark.world


def carried_out(step: DnsStep) -> str:
    assert not step.check()
    step.apply()
    return step.verify()


def lies(binds: Binds, serial: int, address: str) -> None:
    """ns3 as another primary, with a serial and an address of its own."""
    ns3 = binds["ns3"]
    ns3.stop()
    lie = ZONE.format(net=NET, serial=serial).replace("$INCLUDE phones.inc", f"pbx 30 A {address}")
    (ns3.directory / "acme.db").write_text(lie)
    ns3.write('zone "acme.example" { type primary; file "acme.db"; };')
    ns3.start()
    ns3.wait_for("pbx.acme.example", "A", address)


@pytest.mark.parametrize("distance", [2**31 - 1, 2**31, 50_000_000])
def test_a_server_that_lies_about_its_serial_is_named_and_moves_nothing(binds: Binds, distance: int) -> None:
    lies(binds, SERIAL + distance, "192.0.2.11")
    binds["boston"].stop()
    with pytest.raises(DnsLags, match=rf"ns3\.acme\.example tells the serial {SERIAL + distance}, far from ours"):
        carried_out(binds.step("dallas", 7, dead=("boston",), agree_within_s=1.0))
    assert binds.serial("dallas") == SERIAL + 100_000
    assert binds["dallas"].answers("pbx.acme.example", "A") == "192.0.2.12"


def test_a_server_that_is_ahead_by_some_changes_is_believed(binds: Binds) -> None:
    lies(binds, SERIAL + 1000, "192.0.2.11")
    binds["boston"].stop()
    with pytest.raises(DnsLags, match=r"ns3.*: pbx A 192\.0\.2\.11"):
        carried_out(binds.step("dallas", 7, dead=("boston",), agree_within_s=1.0))
    assert binds.serial("dallas") == SERIAL + 101_000


def test_a_parent_that_names_hundreds_of_strangers_is_asked_of_few_of_them(binds: Binds) -> None:
    parent = binds["parent"]
    zone = parent.directory / "example.db"
    # BIND takes 100 records of one type at a name, and no more.
    names = "".join(f"acme NS y{n}.acme\n" for n in range(90))
    addresses = "".join(f"y{n % 90}.acme A 127.254.{n // 250}.{n % 250 + 1}\n" for n in range(500))
    zone.write_text(zone.read_text() + names + addresses)
    parent.stop()
    parent.start()
    parent.wait_for("example", "SOA", "hostmaster")
    step = binds.step("dallas", 7, dead=("boston",), agree_within_s=2.0)
    binds["boston"].stop()
    began = time.monotonic()
    with pytest.raises(DnsLags, match=rf"\d+ addresses more than the {MOST_SERVERS} that are asked") as lagging:
        carried_out(step)
    assert str(lagging.value).count("no answer") <= MOST_SERVERS
    # It was 20 s and more for every sixteen of them, ten minutes in all: one deadline now holds for any number.
    assert time.monotonic() - began < 300
    assert binds["dallas"].answers("pbx.acme.example", "A") == "192.0.2.12"


@pytest.fixture
def signed(name_server_addresses: None, tmp_path: Path) -> Iterator[Binds]:
    """Boston signs the zone by a policy; its keys lie on boston alone."""
    made = Binds(tmp_path, signed=True)
    try:
        made.start()
        for name in ("boston", "dallas", "ns3"):
            until(lambda name=name: rrsigs(made[name]) > 0, "signatures")  # type: ignore[misc]
        yield made
    finally:
        made.stop()


def ask(bind: Bind, kind: str) -> dns.message.Message:
    query = dns.message.make_query("acme.example", kind, want_dnssec=True, payload=4096)
    return dns.query.tcp(query, bind.address, port=bind.port, timeout=3)


def rrsigs(bind: Bind) -> int:
    return sum(len(rrset) for rrset in ask(bind, "SOA").answer if rrset.rdtype == dns.rdatatype.RRSIG)


def dnskeys(bind: Bind) -> list[str]:
    answer = ask(bind, "DNSKEY").answer
    return [key.to_text() for rrset in answer if rrset.rdtype == dns.rdatatype.DNSKEY for key in rrset]


def anchored(binds: Binds) -> Callable[[str, str], str]:
    """What delv says of a name at a server, with the keys of now as its trust anchors: the parent's DS stays."""
    keys = dnskeys(binds["boston"])
    anchors = binds.directory / "anchors"
    lines = [
        f'"acme.example" static-key {flags} {protocol} {algorithm} "{data}";'
        for flags, protocol, algorithm, data in (key.split(" ", 3) for key in keys)
    ]
    anchors.write_text("trust-anchors {\n" + "\n".join(lines) + "\n};\n")

    def look(server: str, name: str) -> str:
        kind = "TXT" if name.startswith("_") else "A"
        argv = ["delv", f"@{binds[server].address}", "-p", str(binds.port), "-a", str(anchors), "+root=acme.example"]
        said = subprocess.run([*argv, f"{name}.acme.example", kind], capture_output=True, text=True, check=False)
        return said.stdout + said.stderr

    return look


def test_a_signed_zone_is_taken_over_and_given_back_and_validates_throughout(signed: Binds) -> None:
    look = anchored(signed)
    for key in (signed["boston"].directory / "keys").iterdir():
        shutil.copy2(key, signed["dallas"].directory / "keys")
    assert "fully validated" in look("ns3", "pbx")
    signed["boston"].stop()
    assert "2 of 3 servers agree: pbx 192.0.2.12" in carried_out(signed.step("dallas", 7, dead=("boston",)))
    for server in ("dallas", "ns3"):
        for name, text in (
            ("pbx", "192.0.2.12"),
            ("www", "192.0.2.22"),
            ("_failover", "epoch=7"),
            ("ns1", f"{NET}.11"),
        ):
            said = look(server, name)
            assert "fully validated" in said, (server, name, said)
            assert text in said
    boston, dallas = GenerationStore(signed["boston"].places), GenerationStore(signed["dallas"].places)
    generation = boston.newest(Role.DNS_SECONDARY)
    assert generation is not None
    boston.activate(generation)
    signed["boston"].start()
    signed["boston"].wait_for("pbx.acme.example", "A", "192.0.2.12")
    assert "fully validated" in look("boston", "pbx")
    take_role(signed["dallas"].named, dallas, Role.DNS_SECONDARY, "acme.example")
    assert "3 of 3 servers agree: pbx 192.0.2.11" in carried_out(signed.step("boston", 8))
    for server in ("boston", "dallas", "ns3"):
        for name, text in (("pbx", "192.0.2.11"), ("_failover", "epoch=8")):
            said = look(server, name)
            assert "fully validated" in said, (server, name, said)
            assert text in said
    assert len(dnskeys(signed["ns3"])) == 1


def test_a_standby_with_a_signed_copy_and_no_keys_says_so_long_before_and_touches_nothing(signed: Binds) -> None:
    dallas = signed["dallas"]
    section = signed.dns(key_directory=str(dallas.directory / "keys"))
    words = zone_obstacle(section, dallas.named, dallas.address, DnsTransport(signed.port, dallas.address))
    assert "is signed (DNSSEC), as the copy of it that this machine has is, and this machine has not the keys" in words
    assert str(dallas.directory / "keys") in words
    before = (dallas.directory / "acme.db").read_bytes()
    signed["boston"].stop()
    with pytest.raises(NotProven, match="DNSSEC"):
        signed.step("dallas", 7, dead=("boston",)).apply()
    assert dallas.named.role("acme.example") == "secondary"
    assert (dallas.directory / "acme.db").read_bytes() == before
    assert dallas.answers("pbx.acme.example", "A") == "192.0.2.11"
