"""Phones on real Asterisks, of two versions and two channel drivers: seen, exported, missed, and back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Machine, World
from lab.computer.daemon import Daemon
from lab.world.asterisk_config import PJSIP_PORT
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

PHONE = """\
import socket, sys, uuid
user, host, port, expires = sys.argv[1:]
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.settimeout(5)
made.connect((host, int(port)))
own, own_port = made.getsockname()
text = "\\r\\n".join((
    f"REGISTER sip:{host}:{port} SIP/2.0",
    f"Via: SIP/2.0/UDP {own}:{own_port};branch=z9hG4bK{uuid.uuid4().hex};rport",
    f"From: <sip:{user}@{host}>;tag={uuid.uuid4().hex[:8]}",
    f"To: <sip:{user}@{host}>",
    f"Call-ID: {uuid.uuid4().hex}@{own}",
    "CSeq: 1 REGISTER",
    "Max-Forwards: 70",
    f"Contact: <sip:{user}@{own}:5070>",
    f"Expires: {expires}",
    "User-Agent: Desk phone 1.0",
    "Content-Length: 0",
    "", "",
))
made.send(text.encode())
print(made.recv(4096).decode().splitlines()[0])
"""
"""A phone without a password: one REGISTER (RFC 3261 section 10.2), and the first line of the answer."""

EXTRA = "[watcher]\npoll_s = 1\nanswer_s = 1\nstale_s = 3\ncontacts_poll_s = 1\n"
FOR_SIP = "\n[100]\ntype = friend\nhost = dynamic\ncontext = nobody\n"
FOR_PJSIP = """
[100]
type = endpoint
transport = transport-udp
disallow = all
allow = ulaw
context = nobody
aors = 100
[100]
type = aor
max_contacts = 2
"""


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    opened = worlds(boston="16", dallas="22", extra=EXTRA)
    add(opened.boston, "/etc/asterisk/sip.conf", FOR_SIP, "sip reload")
    add(opened.dallas, "/etc/asterisk/pjsip.conf", FOR_PJSIP, "module reload res_pjsip.so")
    return opened


@pytest.fixture(scope="module")
def daemons(world: World) -> Iterator[dict[str, Daemon]]:
    found = {machine.name: machine.spawn(["ami-watcher", "run"]) for machine in (world.boston, world.dallas)}
    yield found
    for daemon in found.values():
        daemon.terminate()


def add(machine: Machine, path: str, text: str, reload: str) -> None:
    file = machine.path(path)
    file.write_text(file.read_text() + text)
    machine.asterisk(reload)


def register(world: World, machine: Machine, port: int, *, expires: int = 60) -> None:
    """The phone 100, which stands beside the name server, registers at a machine."""
    address = {"boston": "192.0.2.11", "dallas": "192.0.2.12"}[machine.name]
    done = world.ns3.run(["python3", "-c", PHONE, "100", address, str(port), str(expires)])
    assert done.stdout.strip() == "SIP/2.0 200 OK", done.stdout + done.stderr


def contacts(machine: Machine) -> dict[str, Any]:
    done = machine.run(["ami-watcher", "contacts", "--json"])
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def phones(machine: Machine) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in contacts(machine).get("contacts", ()) if item["dynamic"]}


def synced(world: World, *, age_s: float) -> None:
    """Brings boston's list to dallas, as the sync does; `age_s` ago was boston's last word."""
    there = world.boston.path("/var/lib/hotstandby/contacts/boston.json")
    document = json.loads(there.read_text())
    document["at"] = time.time() - age_s
    world.dallas.write("/var/lib/hotstandby/contacts/boston.json", json.dumps(document))


def test_a_phone_that_registers_is_seen_and_exported(world: World, daemons: dict[str, Daemon]) -> None:
    register(world, world.boston, 5060)
    seen = daemons["boston"].until(lambda: phones(world.boston).get("100"), "boston sees the phone")
    # chan_sip answers to where the packet came from, whatever the phone says of itself.
    assert (seen["channel"], seen["address"].partition(":")[0]) == ("sip", "192.0.2.13")
    exported = world.boston.path("/var/lib/hotstandby/contacts/boston.json")

    def names() -> list[str]:
        return [item["name"] for item in json.loads(exported.read_text())["contacts"]] if exported.exists() else []

    daemons["boston"].until(lambda: names() == ["100"], "it is exported, and trunks are not")


def test_while_the_other_machine_lives_its_phones_are_there_and_then_they_are_missed_until_they_are_back(
    world: World, daemons: dict[str, Daemon]
) -> None:
    synced(world, age_s=5)
    daemons["dallas"].until(lambda: contacts(world.dallas).get("still_there") == 1, "dallas knows of it")
    assert contacts(world.dallas)["missing"] == []

    synced(world, age_s=300)  # boston has said nothing for five minutes
    missing = daemons["dallas"].until(lambda: contacts(world.dallas).get("missing"), "dallas misses it")
    assert [(item["name"], item["channel"], item["expires_at"]) for item in missing] == [("100", "sip", None)]
    said = world.dallas.run(["ami-watcher", "contacts", "--missing"]).stdout
    assert "1 phone of boston has not come back; its list is 5 min old." in said
    assert "not told" in said  # chan_sip lists no expiry

    register(world, world.dallas, PJSIP_PORT["22"])
    seen = daemons["dallas"].until(lambda: phones(world.dallas).get("100"), "dallas sees the phone")
    assert (seen["channel"], seen["user_agent"]) == ("pjsip", "Desk phone 1.0")
    assert 0 < seen["expires_at"] - time.time() <= 61
    assert contacts(world.dallas)["missing"] == []


def test_a_phone_that_leaves_is_gone_and_in_history(world: World, daemons: dict[str, Daemon]) -> None:
    register(world, world.dallas, PJSIP_PORT["22"])
    daemons["dallas"].until(lambda: phones(world.dallas).get("100"), "dallas sees the phone")
    register(world, world.dallas, PJSIP_PORT["22"], expires=0)
    daemons["dallas"].until(lambda: "100" not in phones(world.dallas), "it is gone")
    history = ["ami-watcher", "history", "100", "--kind", "contact", "--json"]

    def kept() -> list[tuple[str | None, str | None]]:
        entries = json.loads(world.dallas.run(history).stdout)["entries"]
        return [(entry["before"], entry["after"]) for entry in entries]

    came_and_went = [(None, "192.0.2.13:5070"), ("192.0.2.13:5070", None)]
    daemons["dallas"].until(lambda: kept() == came_and_went, "it came and went")
