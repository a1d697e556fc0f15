"""A pair with one trunk of each kind, to start tests from; and its files in a directory of a test's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from host.places import Places
from localized.render.render import render
from localized.render.rendered import Rendered
from localized.role import Role
from pair import Pair, parse

SECRETS: Final[Mapping[str, str]] = {
    "acme": "acme; 'secret'",
    "metro": "metro-secret",
    "nova": 'no"va:s@cret',
    "ami": "a",
}

EXAMPLE: Final = """\
[pair]
name = "secondsignal"

[machines.boston]
public_address = "192.0.2.11"
bind = "10.1.0.11"
localnets = ["10.1.0.0/16"]
preferred = true

[machines.dallas]
public_address = "192.0.2.12"

[asterisk]
group = "root"

[trunks.acme]
channel = "sip"
host = "sip.acme.example"
username = "5551000"
secret_file = "acme"
required = true
carrier = "acme"

[trunks.metro]
channel = "iax2"
host = "iax.metro.example"
port = 4570
username = "metro1"
secret_file = "metro"
account = "per-machine"

[trunks.nova]
channel = "pjsip"
host = "sip.nova.example"
username = "nova user"
auth_username = "nova-auth"
secret_file = "nova"
contact = "2000"
second_registration = "refused"
expiry_s = 300
endpoint = "nova-in"

[trunks.better]
channel = "sip"
host = "198.51.100.7"
register = false

[carriers.acme]
dids = ["5551234567"]
phone = "+1 617 555 0100"
say = "Please send 5551234567 | to the other machine"

[domino.sites.domino-local]
boston = "192.0.2.21"
dallas = "192.0.2.22"

[[people]]
name = "Ann *Lee*"
phone = "+1 617 555 0199"
for = "anything"
"""


def example(text: str = EXAMPLE) -> Pair:
    """The example, or a changed one."""
    return parse(text.encode(), Path("pair.toml"))


def files(role: Role, machine: str = "boston", **secrets: str) -> dict[str, str]:
    """Rendered files of the example, by path."""
    made = render(example(), machine, role, {**SECRETS, **secrets})
    return {file.path: file.data.decode() for file in made}


def rendered(role: Role) -> tuple[Rendered, ...]:
    """Rendered files of the example, as they are."""
    return render(example(), "boston", role, SECRETS)


def lay_out(directory: Path, text: str = EXAMPLE, machine: str = "boston") -> Places:
    """A machine's three directories and its /etc/asterisk, wired as docs/reference/localized.md says."""
    places = Places(directory / "config", directory / "state", directory / "run")
    asterisk = directory / "asterisk"
    for made in (places.secrets, places.localized, asterisk):
        made.mkdir(parents=True)
    places.pair_toml.write_text(text.replace("[asterisk]\n", f'[asterisk]\nconfig_dir = "{asterisk}"\n'))
    places.machine_file.write_text(f"{machine}\n")
    for name, secret in SECRETS.items():
        (places.secrets / name).write_text(secret + "\n")
        (places.secrets / name).chmod(0o600)
    current = places.localized / "current" / "asterisk"
    (asterisk / "sip.conf").write_text(
        f'[general]\n#include "{current}/sip-registrations.conf"\n#include "{current}/sip-address.conf"\n[phones]\n'
    )
    (asterisk / "iax.conf").write_text(f'[general]\n#include "{current}/iax-registrations.conf"\n')
    (asterisk / "pjsip.conf").write_text(
        f'[transport-udp]\ntype = transport\n#include "{current}/pjsip-address.conf"\n[nova-in]\ntype = endpoint\n'
        f'#include "{current}/pjsip-auth.conf"\n#include "{current}/pjsip-registrations.conf"\n'
    )
    (asterisk / "extensions.conf").write_text(f'[general]\n[globals]\n#include "{current}/role.conf"\n[inbound]\n')
    return places


def environment(places: Places) -> dict[str, str]:
    """What a command needs to find them."""
    return {
        **os.environ,
        "HOTSTANDBY_CONFIG": str(places.config),
        "HOTSTANDBY_STATE": str(places.state),
        "HOTSTANDBY_RUN": str(places.run),
    }
