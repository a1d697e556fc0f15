"""Each thing that can go wrong in a step of a promotion, for real: the exit code, what is kept, what is said.

The zone has 10,000 records, so that every take-over and every check is one of a large zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.world.conftest import Worlds
from tests.world.failing import Scene, await_true, changed, full_disk, opened
from tests.world.mortal import role_on_disk
from tests.world.test_promote import failover

# Each row wants every name server to agree within 2 s. One that was asking the dead primary in the moment of its death
# waits up to a minute by itself: until the dns step sees to that, this is not for every run.
pytestmark = [pytest.mark.world, pytest.mark.soak]

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


@pytest.fixture(scope="module")
def scene(worlds: Worlds) -> Scene:
    made = opened(worlds)
    made.world.boston.power_off()
    return made


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
