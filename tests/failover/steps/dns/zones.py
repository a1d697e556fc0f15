"""Zones as people keep them, on one name server with many zones; and the DNS step for each of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from failover.bind.named import LocalNamed
from failover.steps.dns.step import DnsStep
from localized.generations.store import GenerationStore
from pair.sections.dns import Dns
from pair.tsig_key import parse_tsig_key
from tests.fakes.four_name_servers import KEY, Server

HEAD = "$TTL 3600\n@ IN SOA ns1 hostmaster ( {serial} 1d 2h 4w 1h )\n  IN NS ns1\nns1 IN A 192.0.2.53\n"
PBX = "pbx 30 IN A 192.0.2.11\n"
ZONES = {
    "wildcname": "* CNAME www\nwww A 192.0.2.80\n" + PBX,
    "wildtxt": '* TXT "v=spf1 -all"\n' + PBX,
    "wilda": "* A 192.0.2.11\n",
    "wildboth": '* A 192.0.2.11\npbx A 192.0.2.11\npbx TXT "stays"\n',
    "wildsame": '* A 192.0.2.11\n* TXT "same"\npbx A 192.0.2.11\npbx TXT "same"\n',
    "alias": "pbx CNAME www\nwww A 192.0.2.80\n",
    "policy": PBX,
    "frozen": PBX,
    "closed": PBX,
    "delegated": "office NS ns.other.example.\npbx.office A 192.0.2.11\n",
    "generated": "$GENERATE 1-4 pbx$ IN A 192.0.2.1$\n$GENERATE 1-4 pbx$ IN TXT t\n" + PBX,
    "unusual": 'büro TXT "ä"\n"pbx" TYPE1 \\# 4 C000020B\nother CLASS1 A 192.0.2.9\n',
    "inherited": "",
    "views": PBX,
    "dated": PBX,
    "unix": PBX,
    "inline": PBX,
    "differences": PBX,
    "byhand": PBX,
    "keyless": PBX,
    "policied": PBX,
    "elsewhere": PBX,
    "journal": PBX,
    "days": "$TTL 1D\n\n\tIN\tMX\t10 mail\nmail A 192.0.2.30\n" + PBX,
}
NO_TTL = (
    "@ 600 IN SOA ns1 hostmaster ( 7 1d 2h 4w 1h )\n 600 IN NS ns1\nns1 600 A 192.0.2.53\npbx 300 A 192.0.2.11\n"
    "old A 192.0.2.9\n"
)
"""Without $TTL: old takes the 300 of the record before it."""
DYNAMIC = 'update-policy { grant "failover" zonesub ANY; };'
BY_NAME = 'update-policy {{ grant "failover" name pbx.{0}. A AAAA; grant "failover" name _failover.{0}. TXT; }};'


def options(name: str, directory: Path) -> str:
    signed = f'dnssec-policy default; key-directory "{directory}/keys";'
    return {
        "policy": BY_NAME.format(f"{name}.example"),
        "generated": "",
        "unusual": "",
        "inherited": "",
        "delegated": DYNAMIC,
        "views": "",
        "closed": "",
        "elsewhere": "",
        "days": "",
        "inline": f"{signed} inline-signing yes;",
        "differences": "ixfr-from-differences yes;",
        "byhand": "",
        "keyless": DYNAMIC,
        "policied": f"{signed} {DYNAMIC}",
    }.get(name, DYNAMIC)


def serial_of(name: str) -> int:
    today = datetime.now(UTC).date()
    return {
        "dated": int(f"{today - timedelta(days=400):%Y%m%d}01"),
        "unix": int(datetime.now(UTC).timestamp()) - 5000,
    }.get(name, 7)


def section(server: Server, name: str, **more: object) -> Dns:
    given: dict[str, object] = {
        "zone": f"{name}.example",
        "key_file": "tsig.key",
        "servers": {"boston": server.address},
        "port": server.port,
        "delegation": {"ns1": [server.address]},
        "agree_within_s": 3.0,
        "named_conf": str(server.directory / "named.conf"),
        "rndc": list(server.rndc),
        "follow": {"pbx": {"boston": "192.0.2.12", "dallas": "192.0.2.11"}},
        **more,
    }
    if given.get("method") == "zonefile":
        given.setdefault("zone_file", str(server.directory / f"{name}.db"))
    return Dns.model_validate(given)


def step(
    server: Server, name: str, epoch: int = 7, machine: str = "boston", *, key: str = KEY, **more: object
) -> DnsStep:
    dns_section = section(server, name, **more)
    return DnsStep(
        dns_section.model_copy(update={"own": {machine: server.address}}),
        machine,
        epoch,
        named=LocalNamed.of(dns_section),
        store=GenerationStore(server.places),
        key=parse_tsig_key(key, "tsig.key"),
        remind=lambda _: None,
    )


def carried_out(one: DnsStep) -> str:
    assert not one.check()
    one.apply()
    return one.verify()


PLAIN = (
    "wildcname",
    "wildtxt",
    "wilda",
    "wildboth",
    "wildsame",
    "alias",
    "policy",
    "frozen",
    "closed",
    "delegated",
    "generated",
    "inherited",
    "dated",
    "unix",
    "elsewhere",
    "days",
)
"""Those that need neither views nor keys nor a journal."""


def write_plain(server: Server) -> None:
    """named.conf and the files of these."""
    zones = []
    for name in PLAIN:
        text = NO_TTL if name == "inherited" else HEAD.format(serial=serial_of(name)) + ZONES[name]
        (server.directory / f"{name}.db").write_text(text)
        zones.append(f'zone "{name}.example" {{ type primary; file "{name}.db"; {options(name, server.directory)} }};')
    server.write("\n".join(zones))
