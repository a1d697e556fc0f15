"""Each thing that can go wrong with a promotion, for real: the exit code, what is kept, what is said, and the way on.

The zone has 10,000 records throughout, so that every take-over and every check is one of a large zone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from host.command import Finished
from lab import World, carrier_api, dns
from lab.daemon import Daemon
from lab.disk import HOME
from lab.errors import LabError
from lab.machine import Machine
from tests.world.conftest import Worlds
from tests.world.mortal import Point, killed, role_on_disk, told_by
from tests.world.pairing import SSH, become, introduce
from tests.world.test_promote import API_PORT, DELEGATION, VOIP, failover, runs

pytestmark = pytest.mark.world

REPOSITORY = str(Path(carrier_api.__file__).parents[1])
RECORDS = 10_000
TRUNKS = ("acme", "nova")
WORD = ("--peer-is-down", "it is dead")
API = """
import sys, time
sys.path.insert(0, {where!r})
from lab.carrier_api import CarrierApi
kind = sys.argv[1]
with CarrierApi("192.0.2.5", {port}) as api:
    api.book.routes = {{number: "account:100001_boston" for number in ("15551234567", "15551234568")}}
    if kind:
        api.misbehave(kind, times=1000)
    time.sleep(3600)
"""
LIAR = """
import socket, dns.flags, dns.message, dns.rrset
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("192.0.2.13", 53))
print("lying", flush=True)
while True:
    data, who = server.recvfrom(4096)
    answer = dns.message.make_response(dns.message.from_wire(data))
    answer.flags |= dns.flags.AA
    name = answer.question[0].name
    kind = answer.question[0].rdtype
    if kind == 6:
        words = "boston.acme.example. hostmaster.acme.example. 7 60 10 86400 30"
        answer.answer.append(dns.rrset.from_text(name, 30, "IN", "SOA", words))
    if kind == 1:
        answer.answer.append(dns.rrset.from_text(name, 30, "IN", "A", "192.0.2.66"))
    server.sendto(answer.to_wire(), who)
"""
FAST_CLOCK = (
    'command="python3 -c \\"import time; real = time.time; time.time = lambda: real() + 3600; '
    "import sys; sys.argv = ['failover', 'peer']; from failover.command import main; main()\\\"\""
)
"""The peer's own program, whose clock is an hour ahead: two hosts of one kernel cannot differ by themselves."""


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
            await_true(lambda: self._listens())

    def _listens(self) -> bool:
        try:
            self.world.carrier.connect("192.0.2.5", API_PORT).close()
        except LabError:
            return False
        return True

    def promote(self) -> Finished:
        return failover(self.dallas, "promote", *WORD)

    def is_whole(self) -> None:
        """Everything is proven but what waits for people; nothing was lost on the way."""
        self.carrier()
        done = self.promote()
        assert done.returncode == 5, done.stdout + done.stderr
        last = runs(self.dallas)[-1]
        whole = {name: told for name, told in last["steps"].items() if name not in ("carrier-acme", "proof")}
        assert whole == dict.fromkeys(("fence", "localize", "dns", "carrier-voip"), "verified"), done.stdout
        assert [one["run"] for one in runs(self.dallas) if one.get("open")] == []
        assert told_by(self.dallas, ["192.0.2.12", "192.0.2.13"]) == [("192.0.2.12", "dallas")] * 2
        for trunk in TRUNKS:
            self.world.carrier.await_holder(trunk, ["dallas"])


def await_true(holds: Callable[[], bool], limit_s: float = 15.0) -> None:
    until = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def scene(worlds: Worlds) -> Scene:
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
    done = failover(world.boston, "promote")
    assert done.returncode == 5, done.stdout + done.stderr
    return made


# While boston lives


def refused(scene: Scene, words: str, *arguments: str) -> None:
    before = runs(scene.dallas)
    done = failover(scene.dallas, *arguments)
    assert done.returncode == 3, done.stdout + done.stderr
    assert words in done.stderr, done.stderr
    assert runs(scene.dallas) == before
    assert role_on_disk(scene.dallas) == "standby"
    for trunk in TRUNKS:
        scene.world.carrier.await_holder(trunk, ["boston"])


@pytest.mark.parametrize("arguments", [("promote",), ("switchover",), ("promote", *WORD)])
def test_a_peer_whose_host_key_changed_is_not_believed(scene: Scene, arguments: tuple[str, ...]) -> None:
    known = scene.dallas.path(f"{SSH}/known_hosts")
    kept = known.read_text()
    other = scene.dallas.path(f"{SSH}/peer_key.pub").read_text()
    known.write_text(f"boston {other}")
    try:
        # With a person's word the peer's Asterisk, which answers at that moment, stands against it.
        refused(scene, "its Asterisk runs" if WORD[0] in arguments else "key", *arguments)
    finally:
        known.write_text(kept)


def test_another_pair_toml_on_the_other_machine_is_told_before_anything_is_done(scene: Scene) -> None:
    file = scene.dallas.path("/etc/hotstandby/pair.toml")
    kept = file.read_text()
    file.write_text(kept + "# edited here alone\n")
    try:
        refused(scene, "pair.toml differs between dallas and boston", "switchover")
    finally:
        file.write_text(kept)


def test_clocks_an_hour_apart_are_told_before_anything_is_done(scene: Scene) -> None:
    allowed = scene.world.boston.path(f"{HOME}/.ssh/authorized_keys")
    kept = allowed.read_text()
    allowed.write_text(kept.replace('command="failover peer"', FAST_CLOCK))
    assert allowed.read_text() != kept
    try:
        refused(scene, "name servers refuse signatures that are more than 300 s old or early", "switchover")
    finally:
        allowed.write_text(kept)


def test_of_two_commands_at_once_on_one_machine_one_is_done_and_the_other_says_so(scene: Scene) -> None:
    done: list[Finished] = []
    threads = [
        threading.Thread(target=lambda: done.append(failover(scene.dallas, "switchover")), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = {one.returncode: one for one in done}
    assert sorted(codes) == [1, 5], [one.stdout + one.stderr for one in done]
    assert "Already running: failover switchover on dallas" in codes[1].stderr
    for trunk in TRUNKS:
        scene.world.carrier.await_holder(trunk, ["dallas"])


# From here on boston is dead


def test_a_large_zone_is_taken_over_within_the_deadline_of_the_step(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """Boston's BIND has the zone again, and dies with it."""
    assert failover(scene.world.boston, "switchover").returncode == 5
    scene.world.boston.power_off()
    done = scene.promote()
    assert done.returncode == 5, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("dns "))
    assert " ok " in line, line
    assert "late:" not in line
    with capsys.disabled():
        print(f"\n  {RECORDS} records: {line}")


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


@contextmanager
def lying_server(scene: Scene) -> Iterator[None]:
    scene.world.ns3.stop_named()
    liar = scene.world.ns3.spawn(["python3", "-c", LIAR])
    await_true(lambda: "lying" in liar.output())
    try:
        yield
    finally:
        liar.kill()
        scene.world.ns3.start_named()


@contextmanager
def cut_off(scene: Scene) -> Iterator[None]:
    scene.world.cut("dallas", "ns3")
    try:
        yield
    finally:
        scene.world.heal()


@contextmanager
def no_named(scene: Scene) -> Iterator[None]:
    scene.dallas.stop_named()
    try:
        yield
    finally:
        scene.dallas.start_named()


@contextmanager
def frozen(scene: Scene) -> Iterator[None]:
    scene.dallas.freeze()
    try:
        yield
    finally:
        scene.dallas.stop_asterisk()
        scene.dallas.start_asterisk()


@contextmanager
def carrier(scene: Scene, kind: str) -> Iterator[None]:
    scene.carrier(kind)
    yield


@contextmanager
def no_carrier(scene: Scene) -> Iterator[None]:
    scene.carrier(serves=False)
    yield


@contextmanager
def wrong_password(scene: Scene) -> Iterator[None]:
    with changed(scene.dallas, "/etc/hotstandby/secrets/acme", "wrong"):
        yield


@contextmanager
def no_room_for_the_journal(scene: Scene) -> Iterator[None]:
    with full_disk(scene.dallas, "/var/lib/hotstandby"):
        yield


@contextmanager
def failing_hook(scene: Scene) -> Iterator[None]:
    with changed(
        scene.dallas, "/etc/hotstandby/hooks/before-dns/tell", "#!/bin/sh\necho no paper >&2\nexit 7\n", 0o755
    ):
        yield


@contextmanager
def no_room_for_files(scene: Scene) -> Iterator[None]:
    with (
        changed(scene.dallas, "/etc/hotstandby/secrets/acme", "another-Secret1"),
        full_disk(scene.dallas, "/etc/hotstandby/localized"),
    ):
        yield


Fault = Callable[[Scene], AbstractContextManager[None]]
KEY = "/etc/hotstandby/secrets/tsig.key"


def key(name: str, secret: str) -> Fault:
    text = f'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
    return lambda scene: changed(scene.dallas, KEY, text)


OTHER = "bm90IHRoZSBzZWNyZXQgdGhhdCBuYW1lZCBrbm93cw=="


def answers(kind: str) -> Fault:
    return lambda scene: carrier(scene, kind)


@dataclass(frozen=True)
class Row:
    """What goes wrong in one promotion, each thing in another step, and what comes of it.

    Attributes:
        faults: what is wrong meanwhile -> words that name it or say what to do.
        code: how the command ends.
        role: of dallas afterwards.
    """

    faults: dict[Fault, str]
    code: int
    role: str


FAULTS = {
    "wrong TSIG secret, carrier says 500, hook fails": Row(
        {key("hotstandby", OTHER): "BADSIG", answers("error-500"): "HTTP 500", failing_hook: "no paper"}, 5, "primary"
    ),
    "unknown TSIG key, carrier shows a login page": Row(
        {key("other", OTHER): "BADKEY", answers("login-page"): "web page"}, 5, "primary"
    ),
    "third server unreachable, carrier gives half an answer": Row(
        {cut_off: "ns3 (192.0.2.13): no answer", answers("half"): "half an answer"}, 5, "primary"
    ),
    "a name server lies, carrier is not there": Row(
        {lying_server: "pbx A 192.0.2.66", no_carrier: "was not reached"}, 5, "primary"
    ),
    "our name server is down, a required registration is rejected": Row(
        {no_named: "rndc status", wrong_password: "Go on with the same command"}, 4, "primary"
    ),
    "Asterisk is frozen": Row({frozen: "Begin anew with: failover promote"}, 1, "standby"),
    "no room for the journal": Row({no_room_for_the_journal: "disk"}, 1, "standby"),
    "no room for the files": Row({no_room_for_files: "No space left"}, 3, "standby"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_goes_wrong_has_its_code_loses_nothing_and_says_the_way_on(scene: Scene, what: str) -> None:
    row = FAULTS[what]
    assert failover(scene.dallas, "demote").returncode in (0, 5)
    with ExitStack() as wrong:
        for make in row.faults:
            wrong.enter_context(make(scene))
        done = scene.promote()
        told = done.stdout + done.stderr
        assert done.returncode == row.code, told
        for words in row.faults.values():
            assert words in told, told
        assert "Traceback" not in told
        assert "a defect in hotstandby" not in told
        assert role_on_disk(scene.dallas) == row.role
        assert (failover(scene.dallas, "is-primary").returncode == 0) is (row.role == "primary")
    scene.is_whole()


def test_a_journal_cut_in_the_middle_of_a_line_goes_on_from_the_line_before(scene: Scene) -> None:
    assert failover(scene.dallas, "demote").returncode == 0
    assert killed(scene.dallas, ["promote", *WORD], Point("after", 6))
    file = max(scene.dallas.path("/var/lib/hotstandby/journal").iterdir())
    data = file.read_bytes()
    file.write_bytes(data[:-20])
    scene.is_whole()
    assert file.read_bytes().count(b"\n") > data.count(b"\n")


def test_a_demotion_that_was_cut_short_in_its_telling_is_no_promotion(scene: Scene) -> None:
    assert killed(scene.dallas, ["demote"], Point("after", 1))
    done = failover(scene.dallas, "promote", "--abort")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing was taken back" in done.stdout + done.stderr
    assert failover(scene.dallas, "is-primary").returncode == 1
    assert role_on_disk(scene.dallas) == "standby"
    scene.is_whole()


def test_a_disk_that_takes_nothing_keeps_nobody_from_demoting(scene: Scene) -> None:
    """Read-only as well as full: a demotion removes a file of its own, and its journal would have that room."""
    scene.is_whole()
    with full_disk(scene.dallas, "/var/lib/hotstandby"):
        assert scene.dallas.run(["mount", "-o", "remount,ro", "/var/lib/hotstandby"]).returncode == 0
        done = failover(scene.dallas, "demote")
        assert done.returncode in (0, 5), done.stdout + done.stderr
        assert "not written down" in done.stderr
        assert role_on_disk(scene.dallas) == "standby"
        assert failover(scene.dallas, "is-primary").returncode == 1
    scene.is_whole()
