"""AGI in real Asterisks, 16 and 22: three ways, forged INVITEs, a server that dies or freezes under a call."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from lab import World
from lab.carrier.accounts import CARRIER
from lab.computer.daemon import Daemon
from lab.domino.phone_book import agi_health
from lab.until import until
from lab.world.machine import Machine
from tests.agi import recorder
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

RECORDINGS: Final = Path(__file__).parents[2] / "agi/recordings"
DEADLINE_S: Final = 2.0
HANGS_S: Final = 30.0
"""What a script takes that must not hold its call: so much longer that no busy machine makes up for it."""

SEEN: Final = """\
RESTARTABLE = True


def run(call, services):
    known = call.environment
    call.set_variable("SEEN_CALLER", known.caller_number or "nobody")
    call.set_variable("SEEN_EXTENSION", known.extension)
    call.set_variable("SEEN_ARGUMENTS", "+".join(known.arguments))
    call.set_variable("LOOKUP_STATUS", "TAMPERED" if known.tampered else "FOUND")
"""

WAITS: Final = """\
import time


def run(call, services):
    call.set_variable("LONG", "x" * 2000)
    call.set_variable("BACK", "a)\\\\b \\"c\\"")
    call.set_variable("SEEN_ARGUMENTS", call.get_variable("BACK") + str(len(call.get_variable("LONG"))))
    call.set_variable("SEEN_EXTENSION", (call.get_variable("NEWLINE") or "").count("\\n"))
    for number in range(1, 9):
        call.set_variable(f"BIG{number}", str(number) * 1500)
    call.set_variable("LOOKUP_STATUS", "FOUND")
"""

SLEEPS: Final = """\
import time


def run(call, services):
    call.get_variable("X")
    time.sleep(float(call.environment.arguments[0]))
    call.set_variable("LOOKUP_STATUS", "FOUND")
"""

LISTENS: Final = """\
import time

DEADLINE_S = 10


def run(call, services):
    try:
        call.wait_for_digit(8000)
    except Exception:
        time.sleep(0.3)  # Asterisk answers first, and says why right after
    call.set_variable("DB(seen/hungup)", call.hungup)
"""

WAYS: Final = {
    "process": "/var/lib/asterisk/agi-alone/{script}.py",
    "handover": "{script}.py",
    "fastagi": "agi://127.0.0.1/{script}",
}

DIALPLAN: Final = """\
exten => _X.,1,Set(NEWLINE=one${{CHR}}two)
 same => n,Set(BEGUN=${{STRFTIME(,,%s.%3q)}})
 same => n,AGI({agi})
 same => n,Set(TOOK=${{STRFTIME(,,%s.%3q)}} ${{BEGUN}})
 same => n,ExecIf($[${{LEN(${{BIG8}})}} > 0]?Set(SEEN_CALLER=${{LEN(${{BIG1}})}} ${{LEN(${{BIG8}})}}))
 same => n,Set(SAW=${{SEEN_CALLER}}|${{SEEN_EXTENSION}}|${{SEEN_ARGUMENTS}}|${{LOOKUP_STATUS}}|${{AGISTATUS}}|${{TOOK}})
 same => n,Set(FILE(/var/log/asterisk/seen,,,al,u)=${{SAW}})
 same => n,Answer()
 same => n,Wait(30)
 same => n,Hangup()
"""


@dataclass(frozen=True)
class Saw:
    """What the dialplan had after AGI()."""

    caller: str
    extension: str
    arguments: str
    status: str
    agistatus: str
    seconds: float


class Desk:
    """A machine with scripts, launchers and a server."""

    server: Daemon

    def __init__(self, world: World, machine: Machine) -> None:
        self.world = world
        self.machine = machine
        for name, text in {"seen": SEEN, "waits": WAITS, "sleeps": SLEEPS, "listens": LISTENS}.items():
            machine.write(f"/etc/hotstandby/agi/{name}.py", text)
        self._run("agi-server", "install", "seen", "waits", "sleeps", "listens")
        alone = machine.path("/var/lib/asterisk") / "agi-alone"
        shutil.copytree(machine.path("/var/lib/asterisk") / "agi-bin", alone)
        for file in alone.iterdir():
            file.write_text(
                re.sub(r"^SOCKET = .*$", "SOCKET = '/nowhere'", file.read_text(), count=1, flags=re.MULTILINE)
            )
        self.start_server()

    def _run(self, *argv: str) -> None:
        done = self.machine.run(list(argv))
        assert done.returncode == 0, done.stderr

    def start_server(self) -> None:
        self.server = self.machine.spawn(["agi-server", "run"])
        self.machine.await_port("127.0.0.1", 4574, self.server)

    def ready(self) -> None:
        if self.server.poll() is not None:
            self.start_server()

    def dialplan(self, way: str, script: str, *arguments: str) -> None:
        agi = ",".join([WAYS[way].format(script=script), *arguments])
        self.machine.write("/etc/asterisk/extensions_inbound.conf", DIALPLAN.format(agi=agi))
        self.machine.asterisk("dialplan reload")
        self.machine.asterisk("dialplan set global CHR \n")

    def lines(self) -> list[str]:
        file = self.machine.path("/var/log/asterisk/seen")
        return file.read_text(errors="replace").splitlines() if file.exists() else []

    def saw(self, before: int) -> Saw:
        """What the first call after `before` lines saw."""
        until(lambda: len(self.lines()) > before, "a call's line", told=lambda: self.server.output()[-2000:])
        caller, extension, arguments, status, agistatus, took = self.lines()[before].split("|")
        ended, begun = took.split()
        return Saw(caller, extension, arguments, status, agistatus, float(ended) - float(begun))

    def call(self, caller: str = "6175550100") -> Saw:
        """A call from the carrier, which is answered after the script."""
        before = len(self.lines())
        call = self.world.carrier.call("better", caller=caller, order=(self.machine.name,))
        assert call.machine == self.machine.name, call
        return self.saw(before)

    def invite(self, user: str) -> Saw:
        """An INVITE from the carrier's address with this user part in From, as nobody's phone would send it."""
        before = len(self.lines())
        with self.world.carrier.open_socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.bind((CARRIER, 0))
            port = wire.getsockname()[1]
            wire.sendto(invite(user, self.machine.address, port), (self.machine.address, self.sip_port))
            return self.saw(before)

    @property
    def sip_port(self) -> int:
        return 5060

    @property
    def release(self) -> str:
        assert self.machine.root is not None
        return self.machine.root.release


def invite(user: str, to: str, port: int) -> bytes:
    identity = os.urandom(6).hex()
    sdp = f"v=0\r\no=- 1 1 IN IP4 {CARRIER}\r\ns=-\r\nc=IN IP4 {CARRIER}\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n"
    lines = [
        f"INVITE sip:5559000@{to} SIP/2.0",
        f"Via: SIP/2.0/UDP {CARRIER}:{port};branch=z9hG4bK{identity};rport",
        "Max-Forwards: 70",
        f"From: <sip:{user}@{CARRIER}>;tag={identity}",
        f"To: <sip:5559000@{to}>",
        f"Call-ID: {identity}@{CARRIER}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:x@{CARRIER}:{port}>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(sdp)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + sdp).encode()


@pytest.fixture(scope="module")
def desks(worlds: Worlds) -> dict[str, Desk]:
    extra = f"[agi]\ndeadline_s = {DEADLINE_S}\n"
    world = worlds(boston="16", dallas="22", trunks=["better"], required=(), extra=extra)
    return {machine.name: Desk(world, machine) for machine in (world.boston, world.dallas)}


@pytest.fixture(params=["boston", "dallas"], ids=["16", "22"])
def desk(request: pytest.FixtureRequest, desks: dict[str, Desk]) -> Desk:
    found = desks[request.param]
    found.ready()
    return found


@pytest.mark.parametrize("way", WAYS)
def test_the_dialplan_gets_the_variables(desk: Desk, way: str) -> None:
    desk.dialplan(way, "seen", "one", "two words")

    saw = desk.call()

    assert (saw.caller, saw.extension, saw.arguments) == ("6175550100", "5559000", "one+two words")
    assert (saw.status, saw.agistatus) == ("FOUND", "SUCCESS")


@pytest.mark.parametrize("way", WAYS)
def test_a_script_that_asks_gets_exact_answers_and_what_was_kept_back_arrives(desk: Desk, way: str) -> None:
    """Also that several commands in one write are all worked off, over a socket and over pipes."""
    desk.dialplan(way, "waits")

    saw = desk.call()

    assert saw.caller == "1500 1500"
    assert (saw.arguments, saw.extension, saw.status) == ('a)\\b "c"2000', "1", "FOUND")


EVIL: Final = {
    "extension": "555%0Aagi_extension%3A%20911%0Aagi_arg_1%3A%20evil",
    "early end": "555%0A%0A",
    "early end and a reply": "555%0A%0A200%20result%3D1%20(x)%0A",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("user", EVIL.values(), ids=EVIL.keys())
def test_a_forged_invite_is_an_anonymous_call(desk: Desk, way: str, user: str) -> None:
    desk.dialplan(way, "seen", "genuine")

    saw = desk.invite(user)

    assert (saw.caller, saw.extension, saw.arguments, saw.status) == ("nobody", "", "", "TAMPERED")


def test_a_genuine_invite_of_the_same_kind_is_no_forgery(desk: Desk) -> None:
    desk.dialplan("handover", "seen")

    saw = desk.invite("555")

    assert (saw.caller, saw.status) == ("555", "FOUND")


@pytest.mark.parametrize("way", WAYS)
def test_a_script_that_hangs_does_not_hold_the_call(desk: Desk, way: str) -> None:
    desk.dialplan(way, "sleeps", f"{HANGS_S:g}")

    saw = desk.call()

    assert saw.status == ""
    assert saw.seconds < HANGS_S / 2  # DEADLINE_S, and what a busy machine takes for it


HARM: Final = """\
import json, os, socket, sys, time
until = time.monotonic() + 60
while time.monotonic() < until:
    with socket.create_connection(("127.0.0.1", 4574)) as health, health.makefile("rb") as answer:
        health.sendall(b"GET /healthz HTTP/1.0\\r\\n\\r\\n")
        if json.loads(answer.read().partition(b"\\r\\n\\r\\n")[2])["sessions"] == 1:
            os.kill(int(sys.argv[1]), int(sys.argv[2]))
            break
    time.sleep(0.05)
"""
"""Kills or freezes agi-server once it has the call."""


@pytest.mark.parametrize(
    ("way", "harm"),
    # Not a frozen FastAGI peer: Asterisk waits for it, and docs/reference/agi.md says what ends that.
    [("handover", "KILL"), ("fastagi", "KILL"), ("handover", "STOP")],
)
def test_a_server_that_dies_or_freezes_under_a_call_lets_it_go_on(desk: Desk, way: str, harm: str) -> None:
    desk.dialplan(way, "sleeps", f"{HANGS_S:g}")
    until(lambda: agi_health(desk.machine)["sessions"] == 0, "the end of what earlier calls left")
    pid = desk.machine.run(["pgrep", "-f", "agi-server run"]).stdout.split()[-1]
    harmer = desk.machine.spawn(["python", "-c", HARM, pid, str(signal.Signals[f"SIG{harm}"].value)], name="harm")
    try:
        saw = desk.call()
        harmer.wait(60)
    finally:
        if harm == "STOP":
            desk.server.kill()

    assert saw.status == ""
    assert saw.seconds < HANGS_S / 2
    desk.dialplan(way, "sleeps", "0")
    assert desk.call().status == ("FOUND" if way == "handover" else "")  # by itself, or not at all: but it goes on


@pytest.mark.parametrize("way", WAYS)
def test_a_caller_who_hangs_up_is_noticed_by_the_script(desk: Desk, way: str) -> None:
    desk.dialplan(way, "listens")
    desk.machine.write(
        "/etc/asterisk/extensions_inbound.conf",
        f"exten => _X.,1,Answer()\n same => n,AGI({WAYS[way].format(script='listens')})\n same => n,Hangup()\n",
    )
    desk.machine.asterisk("dialplan reload")
    desk.machine.asterisk("database deltree seen")

    desk.world.carrier.call("better", order=(desk.machine.name,), talk_s=1.0)

    until(lambda: "True" in desk.machine.asterisk("database show seen"), "a hang-up that the script saw")


VOLATILE: Final = re.compile(r"^(agi_(?:channel|uniqueid|threadid|version|callerid|calleridname)): .*$", re.MULTILINE)


def steady(recording: dict[str, Any]) -> dict[str, Any]:
    """A recording without what is different at every call."""
    return {**recording, "environment": VOLATILE.sub(r"\1: …", recording["environment"])}


@pytest.mark.parametrize("way", ["process", "fastagi"])
def test_asterisk_says_what_was_recorded(desk: Desk, way: str) -> None:
    """HOTSTANDBY_RECORD=1 writes the recordings anew."""
    out = f"/var/log/asterisk/{way}.json"
    program = Path(recorder.__file__).read_text()
    desk.machine.path(out).unlink(missing_ok=True)
    if way == "process":
        script = desk.machine.write(
            "/var/lib/asterisk/agi-bin/recorder.py", f"#!/usr/bin/python3 -I\n{program}", mode=0o755
        )
        agi = f"{script.name},{out}"
    else:
        desk.machine.write("/etc/recorder.py", program)
        recorder_server = desk.machine.spawn([sys.executable, "-I", "/etc/recorder.py", out, "4999"])
        agi = "agi://127.0.0.1:4999/recorded,argument"
        listening = ["ss", "-Hltn", "sport = :4999"]  # a connection would be taken for the call
        until(lambda: desk.machine.run(listening).stdout, "the recorder listens", lives=lambda: recorder_server.running)
    desk.machine.path("/var/log/asterisk").chmod(0o777)
    desk.machine.write(
        "/etc/asterisk/extensions_inbound.conf",
        "exten => _X.,1,Answer()\n same => n,Set(NEWLINE=one${CHR}two)\n"
        f" same => n,AGI({agi})\n same => n,Wait(30)\n",
    )
    desk.machine.asterisk("dialplan reload")
    desk.machine.asterisk("dialplan set global CHR \n")

    desk.world.carrier.call("better", order=(desk.machine.name,), talk_s=3.5)

    log = desk.machine.path("/var/log/asterisk/messages")
    until(desk.machine.path(out).exists, "a recording", told=lambda: log.read_text()[-1500:])
    found = json.loads(desk.machine.path(out).read_text())
    file = RECORDINGS / f"{desk.release}-{way}.json"
    if os.environ.get("HOTSTANDBY_RECORD"):
        file.write_text(json.dumps(found, indent=1) + "\n")
    assert steady(found) == steady(json.loads(file.read_text()))
