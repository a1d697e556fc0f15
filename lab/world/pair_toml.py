"""The pair.toml of the world, its secrets, and the empty generation that Asterisk can start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lab.carrier.accounts import ACCOUNTS, ADDRESSES, BETTER, CARRIER, PAIR, WWW, Account
from lab.computer.roots import Release

AMI_SECRET: Final = "ami-Secret0"
TSIG_SECRET: Final = "c2Vjb25kc2lnbmFsLWxhYi1vbmx5LXRzaWcta2V5IQ=="
TSIG_KEY: Final = f'key "hotstandby" {{\n\talgorithm hmac-sha256;\n\tsecret "{TSIG_SECRET}";\n}};\n'

INCLUDES: Final = (
    "sip-registrations.conf",
    "iax-registrations.conf",
    "pjsip-registrations.conf",
    "pjsip-auth.conf",
    "role.conf",
    "sip-address.conf",
    "pjsip-address.conf",
)
"""Under current/asterisk/; Asterisk refuses a whole file over one include that is missing, so each exists, empty."""


def secrets() -> dict[str, str]:
    """File name under secrets/ -> what stands in it."""
    found = {"ami": AMI_SECRET, "tsig.key": TSIG_KEY}
    for entry in ACCOUNTS:
        found[secret_file(entry)] = entry.secret
    return found


def secret_file(entry: Account) -> str:
    """The name of an account's file under secrets/."""
    return f"{entry.trunk}-{entry.machine}" if entry.machine else entry.trunk


def pair_toml(
    releases: Mapping[str, Release],
    *,
    expiry_s: int = 60,
    trunks: Sequence[str] | None = None,
    required: Sequence[str] = ("acme",),
    extra: str = "",
) -> str:
    """pair.toml for boston and dallas.

    Args:
        releases: Asterisk's major version on each.
        expiry_s: registration expiry that is asked for, in seconds; IAX2's is the carrier's to choose.
        trunks: the names to keep; all by default.
        required: trunks without which a promotion has failed.
        extra: TOML to add at the end.
    """
    parts = [_HEAD]
    for name, many in _by_trunk().items():
        if trunks is None or name in trunks:
            parts.append(_registering(many, releases, expiry_s, name in required))
    if trunks is None or "better" in trunks:
        parts.append(_better(releases))
    return "\n".join([*parts, _TAIL, extra])


def _by_trunk() -> dict[str, list[Account]]:
    found: dict[str, list[Account]] = {}
    for entry in ACCOUNTS:
        found.setdefault(entry.trunk, []).append(entry)
    return found


def _registering(many: list[Account], releases: Mapping[str, Release], expiry_s: int, required: bool) -> str:
    first = many[0]
    lines = [
        f"[trunks.{first.trunk}]",
        f'channel = "{first.channel(releases["boston"])}"',
        f'host = "{CARRIER}"',
        f'username = "{first.username}"',
        f'secret_file = "{secret_file(first)}"',
        f'account = "{"per-machine" if first.machine else "shared"}"',
        f'second_registration = "{first.second}"',
        f"expiry_s = {expiry_s}",
        'carrier = "acme"',
    ]
    if required:
        lines.append("required = true")
    for machine in PAIR:
        own = [entry for entry in many if entry.machine == machine]
        differs = [f'username = "{own[0].username}"', f'secret_file = "{secret_file(own[0])}"'] if own else []
        if first.channel(releases[machine]) != first.channel(releases["boston"]):
            differs.append(f'channel = "{first.channel(releases[machine])}"')
        if differs:
            lines += [f"[trunks.{first.trunk}.machines.{machine}]", *differs]
    return "\n".join([*lines, ""])


def _better(releases: Mapping[str, Release]) -> str:
    channels = {machine: "sip" if releases[machine] == "16" else "pjsip" for machine in PAIR}
    lines = [
        "[trunks.better]",
        f'channel = "{channels["boston"]}"',
        f'host = "{BETTER}"',
        "register = false",
        'when_standby = "refuse"',
    ]
    if channels["dallas"] != channels["boston"]:
        lines += ["[trunks.better.machines.dallas]", f'channel = "{channels["dallas"]}"']
    return "\n".join([*lines, ""])


_HEAD: Final = f"""\
[pair]
name = "secondsignal"

[machines.boston]
public_address = "{ADDRESSES["boston"]}"
preferred = true

[machines.dallas]
public_address = "{ADDRESSES["dallas"]}"

[asterisk]
ami = {{ host = "127.0.0.1", port = 5038, username = "hotstandby", secret_file = "ami" }}
"""

_TAIL: Final = f"""\
[carriers.acme]
preset = "manual"
dids = ["5551000", "5556000", "5552000"]

[dns]
zone = "acme.example"
ttl_s = 30
method = "update"
key_file = "tsig.key"
servers = {{ boston = "{ADDRESSES["boston"]}", dallas = "{ADDRESSES["dallas"]}", ns3 = "{ADDRESSES["ns3"]}" }}
[dns.follow]
pbx = {{ boston = "{ADDRESSES["boston"]}", dallas = "{ADDRESSES["dallas"]}" }}
www = {{ boston = "{WWW["boston"]}", dallas = "{WWW["dallas"]}" }}

[domino.sites.domino-local]
boston = "{WWW["boston"]}"
dallas = "{WWW["dallas"]}"
marker = "/marker.nsf/machine?ReadViewEntries&OutputFormat=JSON"
"""
