"""A pair whose zone is large and whose carrier misbehaves as it is told, for promotions that go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from host.command import Finished
from lab import World
from lab.carrier import web_api
from lab.computer.daemon import Daemon
from lab.until import HANG_S, until
from lab.world import dns
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, answered, failover, name_servers, name_servers_rest, names_agree
from tests.world.failover.pairing import become, introduce
from tests.world.failover.promotion.mortal import told_by
from tests.world.failover.promotion.test_promote import API_PORT, VOIP, runs

REPOSITORY = str(Path(web_api.__file__).parents[2])
RECORDS = 10_000
TRUNKS = ("acme", "nova")
WORD = ("--peer-is-down", "it is dead")
API = """
import sys, time
sys.path.insert(0, {where!r})
from lab.carrier.web_api import CarrierApi
kind = sys.argv[1]
with CarrierApi("192.0.2.5", {port}) as api:
    api.book.routes = {{number: "account:100001_boston" for number in ("15551234567", "15551234568")}}
    if kind:
        api.misbehave(kind, times=1000)
    time.sleep(3600)
"""


@dataclass
class Scene:
    """Boston, which dies, dallas, which takes over, and a carrier that answers as it is told."""

    world: World
    api: Daemon | None = None

    @property
    def dallas(self) -> Machine:
        return self.world.dallas

    def carrier(self, kind: str = "", *, serves: bool = True) -> None:
        """A carrier whose numbers are routed to boston, and which misbehaves."""
        if self.api is not None:
            self.api.kill()
            self.api = None
        if serves:
            self.api = self.world.carrier.spawn(["python3", "-c", API.format(port=API_PORT, where=REPOSITORY), kind])
            self.world.carrier.await_port("192.0.2.5", API_PORT, self.api)

    def boston_dies(self) -> None:
        """Its power goes, and whoever sends to it from ns3 learns at once that nobody is there, as from a router.

        In silence ns3 would ask it again after some of the changes that follow, and hear nobody for up to 105 s
        (test_lag.py has that); here every row wants to see its own failure and no other.
        """
        name_servers_rest(self.world)
        gone = self.world.ns3.run(["ip", "route", "add", "unreachable", f"{self.world.boston.address}/32"])
        assert gone.returncode == 0, gone.stderr
        self.world.boston.power_off()

    def promote(self) -> Finished:
        return failover(self.dallas, "promote", *WORD)

    def is_whole(self) -> None:
        """Everything is proven but what waits for people; nothing was lost on the way."""
        self.carrier()

        def decided() -> Finished | None:
            """PJSIP asks a carrier that refused at its own pace, and an activation waits for four seconds here."""
            return None if (ended := self.promote()).returncode == 4 else ended

        done = until(decided, "a promotion that is not left half-way", deadline_s=2 * HANG_S)
        assert done.returncode == 5, done.stdout + done.stderr
        last = runs(self.dallas)[-1]
        whole = {name: told for name, told in last["steps"].items() if name not in ("carrier-acme", "proof")}
        assert whole == dict.fromkeys(("fence", "localize", "dns", "carrier-voip"), "verified"), done.stdout
        assert [one["run"] for one in runs(self.dallas) if one.get("open")] == []
        assert told_by(self.dallas, ["192.0.2.12", "192.0.2.13"]) == [("192.0.2.12", "dallas")] * 2
        for trunk in TRUNKS:
            self.world.carrier.await_holder(trunk, ["dallas"])


def opened(worlds: Worlds) -> Scene:
    """A scene in which boston is primary, with a zone of many records."""
    extra = DELEGATION + VOIP.replace("plain_http = true", "plain_http = true\ndeadline_s = 3.0")
    world = worlds("16", "22", sshd=True, expiry_s=20, trunks=TRUNKS, extra=extra)
    quick = "register_deadline_s = 4.0\nreload_deadline_s = 3.0\n"
    for machine in (world.boston, world.dallas):
        text = machine.path("/etc/hotstandby/pair.toml").read_text()
        text = text.replace("[asterisk]\n", f"[asterisk]\n{quick}").replace("ttl_s", "agree_within_s = 2.0\nttl_s")
        machine.write("/etc/hotstandby/pair.toml", text)
        machine.write("/etc/hotstandby/secrets/voip", "p&ss w/rd+12345", mode=0o600)
    zone = dns.zone_file() + "".join(f"phone{number} IN A 198.51.100.{number % 250 + 1}\n" for number in range(RECORDS))
    world.boston.write(f"/var/lib/bind/{dns.ZONE}.zone", zone)
    for machine in (world.boston, world.dallas, world.ns3):
        machine.boot_services.append("named")
        machine.start_named()
    introduce(world)
    become(world.dallas, "standby")
    become(world.boston, "primary")
    made = Scene(world)
    made.carrier()
    done = answered(world.boston, "promote")
    assert done.returncode == 5, done.stdout + done.stderr
    names_agree(world, world.boston, name_servers(world))
    return made


@contextmanager
def changed(machine: Machine, file: str, text: str, mode: int = 0o600) -> Iterator[None]:
    path = machine.path(file)
    kept = path.read_text() if path.exists() else None
    machine.write(file, text, mode=mode)
    try:
        yield
    finally:
        path.unlink() if kept is None else path.write_text(kept)


@contextmanager
def full_disk(machine: Machine, directory: str) -> Iterator[None]:
    """A small file system over a directory of the machine, with what was in there, and not a byte left."""
    script = (
        f"cp -a {directory} /run/kept && mount -t tmpfs -o size=1m full {directory} && cp -a /run/kept/. {directory}/"
        f" && rm -rf /run/kept && (dd if=/dev/zero of={directory}/filler bs=1k 2>/dev/null; true)"
    )
    made = machine.run(["sh", "-c", script])
    assert made.returncode == 0, made.stderr
    try:
        yield
    finally:
        assert machine.run(["umount", directory]).returncode == 0
