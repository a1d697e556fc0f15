"""Registrations written by hand, for tests of the world that must not depend on what renders them."""

from __future__ import annotations

from lab import Machine

LINE = {
    "sip": "register => 5551000:acme-Secret1@192.0.2.5/5551000~20\n",
    "iax": "register => 5556000:metro-Secret2@192.0.2.5\n",
}
PJSIP = """\
[{trunk}]
type = registration
transport = transport-udp
server_uri = sip:192.0.2.5
client_uri = sip:{user}@192.0.2.5
contact_user = {user}
outbound_auth = {trunk}
expiration = 20
max_random_initial_delay = 1
"""
AUTH = "[{trunk}]\ntype = auth\nauth_type = userpass\nusername = {user}\npassword = {secret}\n"


def include(machine: Machine, name: str, text: str) -> None:
    """Fills one include of the empty generation that every machine starts with."""
    machine.path(f"/etc/hotstandby/localized/generations/0-empty/asterisk/{name}").write_text(text)


def register_everything(machine: Machine) -> None:
    """Writes the includes of a primary by hand, and reloads."""
    assert machine.root is not None
    accounts = [("nova", "5552000", "nova-Secret3")]
    if machine.root.release == "16":
        include(machine, "sip-registrations.conf", LINE["sip"])
    else:
        accounts.append(("acme", "5551000", "acme-Secret1"))
    include(machine, "iax-registrations.conf", LINE["iax"])
    include(machine, "pjsip-auth.conf", "".join(AUTH.format(trunk=t, user=u, secret=s) for t, u, s in accounts))
    include(machine, "pjsip-registrations.conf", "".join(PJSIP.format(trunk=t, user=u) for t, u, _ in accounts))
    reload(machine)


def register_nothing(machine: Machine) -> None:
    """Writes the includes of a standby by hand, and reloads."""
    for name in ("sip-registrations.conf", "iax-registrations.conf", "pjsip-registrations.conf"):
        include(machine, name, "")
    reload(machine)


def reload(machine: Machine) -> None:
    """Reloads every driver that the machine's Asterisk has."""
    assert machine.root is not None
    if machine.root.release == "16":
        machine.asterisk("sip reload")
    machine.asterisk("iax2 reload")
    machine.asterisk("module reload res_pjsip.so")
