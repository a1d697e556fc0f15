"""One machine of a pair in a directory: its files, its Asterisk, its BIND, carriers that answer, and a peer over ssh.

dallas is the standby and boston, which is only an ssh that answers, is the primary. Commands run in this process.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner, Result

from failover.command import group
from failover.context import Context, read_context
from failover.facts import shared_facts
from failover.peer.messages import (
    AsteriskStatus,
    PeerAnswer,
    PeerFacts,
    PeerRegistration,
    PeerStatus,
    SecretsReport,
    encode_answer,
)
from host.atomic import replace_file
from host.places import Places
from lab.fakes.asterisk import FakeAsterisk, FakeRegistrar, fake_asterisk
from lab.world.pair_toml import AMI_SECRET
from tests.failover.peer.test_messages import status
from tests.fakes.bind import on_path
from tests.fakes.four_name_servers import ADDRESSES, KEY, FakeServers
from tests.localized.example import EXAMPLE, environment, lay_out
from tests.localized.forked import run_here

SSH = """#!/bin/sh
for last; do :; done
file="{answers}/${{last%% *}}"
[ -e "$file" ] && exec sed "s/1800000000.0/$(date +%s.%N)/" "$file"
echo "ssh: connect to host boston port 22: Connection timed out" >&2
exit 255
"""
DNS = """
[dns]
zone = "acme.example"
key_file = "tsig.key"
port = {port}
servers = {{ boston = "{boston}", dallas = "{dallas}", ns3 = "{ns3}" }}
named_conf = "{named_conf}"
rndc = [{rndc}]
[dns.follow]
pbx = {{ boston = "192.0.2.11", dallas = "192.0.2.12" }}
"""
CHANNELS = "0 active channels\n0 active calls\n12 calls processed\n"
DIALPLAN = """\
[ Context 'inbound' created by 'pbx_config' ]
  '_X.' =>          1. Gosub(hotstandby-gate,s,1(better))         [extensions.conf:25]
[ Context 'hotstandby-gate' created by 'pbx_config' ]
  's' =>            1. GotoIf($[${HOTSTANDBY_TAKE_UNTIL} < 1]?open) [role.conf:7]
"""


class Carriers:
    """One UDP port at which OPTIONS and POKE are answered, until it is closed."""

    def __init__(self) -> None:
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True, name="carriers").start()

    def _serve(self) -> None:
        while True:
            try:
                data, source = self._socket.recvfrom(8192)
                if not data:
                    return
            except OSError:
                return
            if self.silent:
                continue
            if data.startswith(b"OPTIONS"):
                head = [one for one in data.split(b"\r\n") if one.lower().startswith((b"via", b"call-id"))]
                self._socket.sendto(b"\r\n".join([b"SIP/2.0 401 Unauthorized", *head, b"", b""]), source)
            else:
                (call,) = struct.unpack("!H", data[:2])
                pong = struct.pack("!HHIBBBB", 0x8000 | 7, call & 0x7FFF, 3, 0, 1, 6, 3)
                self._socket.sendto(pong, source)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._socket.close()


@dataclass
class Standby:
    """What a test has of it."""

    places: Places
    asterisk: FakeAsterisk
    registrar: FakeRegistrar
    servers: FakeServers
    carriers: Carriers
    answers: Path

    @property
    def context(self) -> Context:
        return read_context(self.places.config)

    def run(self, *arguments: str) -> Result:
        """A command of `failover`, in this process."""
        return CliRunner().invoke(group, list(arguments), env=environment(self.places))

    def peer_says(self, answer: PeerAnswer) -> None:
        """What ssh brings back from now on, with the time of the answer."""
        kinds = {PeerStatus: "status", SecretsReport: "secrets"}
        (self.answers / kinds.get(type(answer), "facts")).write_text(encode_answer(answer) + "\n")

    def peer_is(self, **changed: Any) -> None:
        """The peer is primary and holds everything, save what is changed."""
        trunks = (("acme", True), ("metro", False), ("nova", True))
        held = tuple(
            PeerRegistration(trunk=name, shared=shared, state="Registered", registered=True) for name, shared in trunks
        )
        told: dict[str, Any] = {
            "machine": "boston",
            "role": "primary",
            "is_primary": True,
            "right_held": True,
            "epoch": 7,
            "right_epoch": 7,
            "why": "boston is primary",
            "pair_digest": self.context.pair.digest,
            "asterisk": AsteriskStatus(state="answers", words="it holds all", listed=True, registrations=held),
        }
        self.peer_says(status(**{**told, **changed}))

    def peer_has_the_same(self) -> None:
        """Asked for what should be the same on both, it says what this machine says of itself."""
        facts = shared_facts.facts(self.context)
        self.peer_says(PeerFacts(machine="boston", facts=facts, wall=1_800_000_000.0))

    def peer_is_silent(self) -> None:
        """No request is answered any more."""
        for file in self.answers.iterdir():
            file.unlink()


@contextmanager
def standby() -> Iterator[Standby]:
    """The machine, until the end."""
    with ExitStack() as stack:
        memory = Path("/dev/shm")
        where = tempfile.TemporaryDirectory(prefix="hotstandby-", dir=memory if memory.is_dir() else None)
        directory = Path(stack.enter_context(where))
        directory.chmod(0o755)  # Asterisk's user goes through it
        carriers = Carriers()
        stack.callback(carriers.close)
        servers = FakeServers(directory / "dns")
        zone = servers["boston"].directory / "acme.db"
        zone.write_text(zone.read_text() + '_failover 30 IN TXT "hotstandby=1 machine=boston epoch=7"\n')
        registrar = FakeRegistrar()
        control = directory / "c"  # short: Asterisk cuts the path of its log
        control.mkdir()
        asterisk = FakeAsterisk("dallas", "16", directory / "asterisk", registrar, control=control)
        asterisk.words = {"core show channels count": CHANNELS, "dialplan show": DIALPLAN}
        stack.enter_context(fake_asterisk(asterisk))
        stack.enter_context(servers)
        places = lay_out(directory, _pair(asterisk, carriers, servers), "dallas")
        for name, secret in (("ami", AMI_SECRET), ("tsig.key", KEY)):
            replace_file(places.secrets / name, secret.encode(), mode=0o600)
        programs, answers = directory / "programs", directory / "ssh"
        for made in (programs, answers, places.localized / "ssh", places.run, places.state):
            made.mkdir(exist_ok=True)
        (places.localized / "ssh" / "peer_key").touch()
        (programs / "ssh").write_text(SSH.format(answers=answers))
        (programs / "ssh").chmod(0o755)
        stack.enter_context(on_path(programs))
        stack.enter_context(mock.patch.dict(os.environ, environment(places)))
        _write_asterisk(directory / "asterisk")
        done = run_here(places, ["--role", "standby", "--activate", "--without-asterisk"])
        assert done.returncode == 0, done.stdout + done.stderr
        asterisk.start_anew()
        whole = Standby(places, asterisk, registrar, servers, carriers, answers)
        whole.peer_is()
        whole.peer_says(SecretsReport(machine="boston"))
        yield whole


def _write_asterisk(etc: Path) -> None:
    (etc / "manager.conf").write_text(
        "[general]\nenabled = yes\n[hotstandby]\nsecret = x\nread = system\nwrite = system,reporting\n"
        "writetimeout = 5000\n"
    )
    sip = etc / "sip.conf"
    sip.write_text(sip.read_text().replace("[general]\n", "[general]\nregister_retry_403 = yes\n", 1))


def _pair(asterisk: FakeAsterisk, carriers: Carriers, servers: FakeServers) -> str:
    own = f'command = "{asterisk.command}"\nami.port = {asterisk.port}\nreload_deadline_s = 5\n'
    text = EXAMPLE[: EXAMPLE.index("[domino")].replace("[asterisk]\n", "[asterisk]\n" + own)
    for host in ("sip.acme.example", "sip.nova.example"):
        text = text.replace(f'host = "{host}"', f'host = "127.0.0.1"\nport = {carriers.port}')
    text = text.replace('host = "iax.metro.example"\nport = 4570', f'host = "127.0.0.1"\nport = {carriers.port}')
    text = text.replace('"192.0.2.12"', '"127.0.0.3"').replace('"192.0.2.11"', '"127.0.0.2"')
    bind = servers["dallas"]
    rndc = ", ".join(f'"{word}"' for word in bind.rndc)
    named_conf = bind.directory / "named.conf"
    return text + DNS.format(port=servers.port, named_conf=named_conf, rndc=rndc, **ADDRESSES)
