"""BIND on boston, dallas and ns3: one dynamic zone, primary on boston, secondary on the others."""

from __future__ import annotations

from typing import Final

from lab.carrier.accounts import ADDRESSES, PAIR, WWW
from lab.world.pair_toml import TSIG_KEY

ZONE: Final = "acme.example"
ZONES_FILE: Final = "/etc/hotstandby/localized/current-dns/named/zones.conf"
_RNDC_KEY: Final = (
    'key "rndc-key" {\n\talgorithm hmac-sha256;\n\tsecret "bGFiLW9ubHktcm5kYy1rZXktb2YtdGhlLXdvcmxkIQ==";\n};\n'
)


def files(machine: str) -> dict[str, tuple[str, int]]:
    """Files under /etc/bind -> text, mode; as the admin of that machine would write them."""
    zones = f'include "{ZONES_FILE}";\n' if machine in PAIR else zone_statement(machine)
    return {
        "named.conf": (_NAMED.format(address=ADDRESSES[machine], zones=zones), 0o644),
        "rndc.key": (_RNDC_KEY, 0o640),
        "tsig.key": (TSIG_KEY, 0o640),
    }


def zone_statement(machine: str) -> str:
    """What the zone is on that machine before anything was rendered."""
    if machine == "boston":
        others = " ".join(f"{address};" for name, address in ADDRESSES.items() if name in ("dallas", "ns3"))
        return (
            f'zone "{ZONE}" {{\n\ttype primary;\n\tfile "/var/lib/bind/{ZONE}.zone";\n\tmasterfile-format text;\n'
            f"\tupdate-policy {{ grant hotstandby zonesub ANY; }};\n\talso-notify {{ {others} }};\n"
            f"\tallow-transfer {{ {others} key hotstandby; }};\n}};\n"
        )
    # The standby first: a secondary that asks a dead primary first waits a minute (SOA retries, then the transfer).
    primaries = " ".join(f"{ADDRESSES[name]};" for name in reversed(PAIR) if name != machine)
    return (
        f'zone "{ZONE}" {{\n\ttype secondary;\n\tfile "/var/lib/bind/{ZONE}.zone";\n\tmasterfile-format text;\n'
        f"\tprimaries {{ {primaries} }};\n\tallow-notify {{ {primaries} }};\n"
        f"\tallow-transfer {{ key hotstandby; {' '.join(f'{address};' for address in ADDRESSES.values())} }};\n}};\n"
    )


def zone_file() -> str:
    """The zone as it is first: names point at boston."""
    servers = ("boston", "dallas", "ns3")
    return "\n".join(
        [
            "$TTL 30",
            f"@ IN SOA boston.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 30",
            *(f"@ IN NS {name}.{ZONE}." for name in servers),
            *(f"{name} IN A {ADDRESSES[name]}" for name in servers),
            f"pbx IN A {ADDRESSES['boston']}",
            f"www IN A {WWW['boston']}",
            "",
        ]
    )


_NAMED: Final = """\
options {{
	directory "/var/cache/bind";
	pid-file "/run/named/named.pid";
	session-keyfile "/run/named/session.key";
	listen-on {{ 127.0.0.1; {address}; }};
	listen-on-v6 {{ none; }};
	query-source address {address};
	transfer-source {address};
	notify-source {address};
	recursion no;
	dnssec-validation no;
	notify yes;
}};
include "/etc/bind/rndc.key";
include "/etc/bind/tsig.key";
controls {{ inet 127.0.0.1 port 953 allow {{ 127.0.0.1; }} keys {{ "rndc-key"; }}; }};
{zones}"""
