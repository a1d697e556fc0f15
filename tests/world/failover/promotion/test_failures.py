"""Each thing that can go wrong with name servers and carriers in a promotion, for real: the exit code, what is kept,
what is said. What goes wrong on the machine itself is in test_failures_here.py.

The zone has 10,000 records, so that every take-over and every check is one of a large zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.world.conftest import Worlds
from tests.world.failover.promotion.failing import Scene, changed, opened
from tests.world.failover.promotion.faults import Fault, Row

pytestmark = pytest.mark.world

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
    made.boston_dies()
    return made


@contextmanager
def lying_server(scene: Scene) -> Iterator[None]:
    scene.world.ns3.stop_named()
    liar = scene.world.ns3.spawn(["python3", "-c", LIAR])
    liar.await_output("lying")
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
def carrier(scene: Scene, kind: str) -> Iterator[None]:
    scene.carrier(kind)
    yield


@contextmanager
def no_carrier(scene: Scene) -> Iterator[None]:
    scene.carrier(serves=False)
    yield


@contextmanager
def failing_hook(scene: Scene) -> Iterator[None]:
    with changed(
        scene.dallas, "/etc/hotstandby/hooks/before-dns/tell", "#!/bin/sh\necho no paper >&2\nexit 7\n", 0o755
    ):
        yield


KEY = "/etc/hotstandby/secrets/tsig.key"


def key(name: str, secret: str) -> Fault:
    text = f'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
    return lambda scene: changed(scene.dallas, KEY, text)


OTHER = "bm90IHRoZSBzZWNyZXQgdGhhdCBuYW1lZCBrbm93cw=="


def answers(kind: str) -> Fault:
    return lambda scene: carrier(scene, kind)


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
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_goes_wrong_has_its_code_loses_nothing_and_says_the_way_on(scene: Scene, what: str) -> None:
    FAULTS[what].holds(scene)
