"""A pair.toml that is valid, to start tests from."""

from __future__ import annotations

from pathlib import Path

from pair import Pair, PairInvalid, parse

EXAMPLE = """\
[pair]
name = "secondsignal"

[machines.boston]
public_address = "192.0.2.11"
bind = "10.1.0.11"
localnets = ["10.1.0.0/16"]
preferred = true

[machines.boston.asterisk]
ami.port = 5039

[machines.dallas]
public_address = "192.0.2.12"

[asterisk]
ami = { host = "127.0.0.1", port = 5038, username = "hotstandby", secret_file = "ami" }

[trunks.acme]
channel = "sip"
host = "sip.acme.example"
username = "5551000"
secret_file = "acme"
required = true
carrier = "acme"

[trunks.own]
channel = "iax2"
host = "iax.own.example"
account = "per-machine"
secret_file = "own"
[trunks.own.machines.boston]
username = "boston-line"
[trunks.own.machines.dallas]
username = "dallas-line"
secret_file = "own-dallas"

[trunks.better]
channel = "sip"
host = "198.51.100.7"
register = false
when_standby = "refuse"

[carriers.acme]
preset = "manual"
dids = ["5551234567"]

[dns]
zone = "acme.example"
ttl_s = 30
method = "update"
key_file = "tsig.key"
servers = { boston = "192.0.2.11", dallas = "192.0.2.12", ns3 = "192.0.2.13" }

[dns.follow]
pbx = { boston = "192.0.2.11", dallas = "192.0.2.12" }

[domino.sites.domino-local]
boston = "192.0.2.21"
dallas = "192.0.2.22"
marker = "/marker.nsf/machine?ReadViewEntries&OutputFormat=JSON"

[sync]
paths = { html = { path = "domino/html", direction = "both" }, sounds = { path = "asterisk/sounds" } }

[[people]]
name = "Andrea"
phone = "+1 555 0100"
for = "the carrier's portal"
"""

FILE = Path("/etc/hotstandby/pair.toml")


def example() -> Pair:
    """The example's values."""
    return parse(EXAMPLE.encode(), FILE)


def problems(text: str) -> list[str]:
    """What is wrong with a pair.toml; [] when it is valid."""
    try:
        parse(text.encode(), FILE)
    except PairInvalid as error:
        return [str(problem) for problem in error.problems]
    return []
