"""A name server that does not take the UPDATE of a promotion: REFUSED, NXRRSET, BADTIME, each at the command.

In each the calls move all the same, the message says what to do, and the same command completes it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import templates
from host.command import Finished
from lab import World
from lab.until import until
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, failover, set_up
from tests.world.failover.promotion.failing import changed
from tests.world.failover.promotion.mortal import told_by
from tests.world.failover.promotion.test_promote import runs

pytestmark = pytest.mark.world

TRUNKS = ("acme", "nova")
WORD = ("--peer-is-down", "its power is gone")
OWN = "127.0.0.9"
MEDDLER = """
import socket, subprocess, sys, threading
own, left = ("192.0.2.12", 53), int(sys.argv[1])
def whole(stream):
    head = stream.recv(2, socket.MSG_WAITALL)
    return head + stream.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 2 else b""
def meddle(number):
    text = f"server 192.0.2.12\\nzone acme.example\\nupdate delete pbx.acme.example A\\n"
    text += f"update add pbx.acme.example 30 A 192.0.2.{60 + number}\\nsend\\n"
    subprocess.run(["nsupdate", "-k", "/etc/bind/tsig.key"], input=text.encode(), check=True)
def one(stream):
    global left
    with stream:
        while message := whole(stream):
            if message[4] >> 3 & 15 == 5 and left:  # an UPDATE
                left -= 1
                meddle(left)
            with socket.create_connection(own) as server:
                server.sendall(message)
                stream.sendall(whole(server))
def datagrams(port):
    while True:
        message, who = port.recvfrom(65535)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.settimeout(2)
            server.sendto(message, own)
            port.sendto(server.recv(65535), who)
port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
port.bind(("{own}", 53))
threading.Thread(target=datagrams, args=(port,), daemon=True).start()
listening = socket.create_server(("{own}", 53))
print("meddling", flush=True)
while True:
    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()
""".replace("{own}", OWN)
"""Between us and our own named: somebody changes pbx just before each of so many UPDATEs arrives."""
HOUR_AHEAD = """
import sys, time
real = time.time
time.time = lambda: real() + 3600
from failover.command import main
sys.argv = ["failover", *{arguments!r}]
main()
"""
"""The real command on a machine whose clock is an hour ahead: two of one kernel cannot differ by themselves."""


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, expiry_s=20, trunks=TRUNKS, extra=DELEGATION)
    set_up(made)
    made.boston.power_off()
    return made


@pytest.fixture(autouse=True)
def _dallas_rests(world: World) -> None:
    assert failover(world.dallas, "demote").returncode in (0, 5)


def moved_but_for_dns(world: World, done: Finished, *words: str) -> None:
    """Somebody answers; the names do not follow yet, and it is said why and what to do."""
    said = done.stdout + done.stderr
    assert done.returncode == 5, said
    for one in words:
        assert one in said, said
    assert "dns" in said.splitlines()[-1]
    assert runs(world.dallas)[-1]["steps"]["dns"] in ("failed", "open")
    for trunk in TRUNKS:
        world.carrier.await_holder(trunk, ["dallas"])


def completed(world: World, arguments: Sequence[str] = ("promote", *WORD)) -> None:
    """The same command completes it; where a BIND still asks the dead machine (105 s at most), once it has given up."""

    def agreed() -> bool:
        done = failover(world.dallas, *arguments)
        assert done.returncode == 5, done.stdout + done.stderr
        if runs(world.dallas)[-1]["steps"]["dns"] == "verified":
            return True
        assert "probably asks boston, which is dead" in done.stdout, done.stdout
        return False

    until(agreed, "every name server that lives agrees", deadline_s=150.0)
    assert told_by(world.dallas, ["192.0.2.12", "192.0.2.13"]) == [("192.0.2.12", "dallas")] * 2


def test_a_key_that_may_not_change_the_zone(world: World) -> None:
    own = Path(templates.__file__).parent.joinpath("named/zones.conf.j2").read_text()
    other = own.replace("grant {{ dns_key.name | named_string }} zonesub", 'grant "somebody" zonesub')
    assert other != own
    with changed(world.dallas, "/etc/hotstandby/templates/named/zones.conf.j2", other, 0o644):
        done = failover(world.dallas, "promote", *WORD)
        said = "refuses the UPDATE: its update-policy does not allow the key 'hotstandby' this"
        moved_but_for_dns(world, done, said, 'grant "hotstandby" name pbx.acme.example. A;')
    completed(world)


@contextmanager
def meddled_with(world: World, times: int) -> Iterator[None]:
    """Our own named is reached through somebody who changes the zone just before an UPDATE arrives."""
    text = world.dallas.path("/etc/hotstandby/pair.toml").read_text()
    through = text.replace("[dns.follow]", f'own = {{ dallas = "{OWN}" }}\n[dns.follow]')
    assert through != text
    meddler = world.dallas.spawn(["python3", "-c", MEDDLER, str(times)])
    meddler.await_output("meddling")
    try:
        with changed(world.dallas, "/etc/hotstandby/pair.toml", through, 0o644):
            yield
    finally:
        meddler.kill()


def test_a_zone_that_somebody_changes_once_meanwhile(world: World) -> None:
    with meddled_with(world, 1):
        completed(world)


def test_a_zone_that_somebody_changes_each_time(world: World) -> None:
    with meddled_with(world, 100):
        done = failover(world.dallas, "promote", *WORD)
        moved_but_for_dns(world, done, "was not carried out (NXRRSET)", "failover status")
    completed(world)


def test_a_clock_an_hour_off(world: World) -> None:
    program = HOUR_AHEAD.format(arguments=["promote", *WORD])
    done = world.dallas.run(["python3", "-c", program])
    moved_but_for_dns(world, done, "BADTIME, the clocks differ by more than 300 s", "timedatectl")
    completed(world)
