"""A planned change lets calls end first, says how many are left, and keeps to its limit."""

from __future__ import annotations

import json
import threading
import time

import pytest

from lab import World
from lab.carrier.carrier import Call
from lab.until import until
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, SERVED, failover, set_up

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, trunks=["acme", "nova", "better"], extra=DELEGATION)
    set_up(made)
    return made


class Talk:
    """A call through a trunk that goes on for a while, beside the test."""

    def __init__(self, world: World, trunk: str, seconds: float, machine: str) -> None:
        self.call: Call | None = None
        self._thread = threading.Thread(target=self._talk, args=(world, trunk, seconds))
        self._thread.start()
        asked = world.boston if machine == "boston" else world.dallas
        until(lambda: "1 active call" in asked.asterisk("core show channels count"), "a call on it")

    def _talk(self, world: World, trunk: str, seconds: float) -> None:
        self.call = world.carrier.call(trunk, talk_s=seconds)

    def ended(self) -> Call:
        self._thread.join(60)
        assert self.call is not None
        return self.call


def test_a_switchover_waits_for_the_calls_of_the_peer_and_takes_new_ones_by_address(world: World) -> None:
    talk = Talk(world, "acme", 12.0, "boston")
    running = world.dallas.spawn(["failover", "switchover", "--drain", "2m", "--json"], name="switchover")
    running.await_output("1 call is left")
    came = world.carrier.call("better", order=("boston", "dallas"))
    assert [(one.machine, one.status) for one in came.attempts] == [("boston", 503)]
    assert came.machine == "dallas"
    assert world.carrier.holder("nova") == ["boston"]  # registrations are left alone meanwhile
    assert talk.ended().machine == "boston"
    assert running.wait(90) == SERVED, running.output()
    told = [json.loads(line) for line in running.output().splitlines() if line.startswith("{")]
    drained = [one for one in told if one["step"] == "drain"]
    assert (drained[-1]["event"], drained[-1]["words"]) == ("verified", "no call is left on boston")
    assert told.index(drained[-1]) < next(number for number, one in enumerate(told) if one["step"] == "fence")
    assert world.carrier.call("better", order=("boston", "dallas")).machine == "dallas"


def test_at_the_limit_it_goes_on_and_the_call_with_it(world: World) -> None:
    talk = Talk(world, "nova", 25.0, "dallas")
    begun = time.monotonic()
    done = failover(world.dallas, "demote", "--drain", "4s", "the rack is moved")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - begun >= 4
    assert "1 call is left on dallas after 4 s" in done.stderr
    assert "dallas is standby" in done.stdout
    assert "1 active call" in world.dallas.asterisk("core show channels count")
    assert talk.ended().machine == "dallas"
    wrong = failover(world.dallas, "demote", "--drain", "a while")
    assert wrong.returncode == 2
    assert "is not a duration" in wrong.stderr
