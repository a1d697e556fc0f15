"""A switchover whose question to the peer is late or lost: one machine serves afterwards, and it is said which."""

from __future__ import annotations

import pytest

from lab import World
from lab.until import until
from tests.world.conftest import Worlds
from tests.world.failover.promotion.test_promote import runs
from tests.world.failover.switchover.troubled import boston_serves, is_primary, opened, switchover, trouble

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    return opened(worlds)


@pytest.fixture(autouse=True)
def _boston_serves(world: World) -> None:
    boston_serves(world)


@pytest.mark.parametrize("what", ["answer-hangs", "then-deaf"])
def test_a_demotion_that_is_proven_is_gone_on_from_however_late_the_rest_is(world: World, what: str) -> None:
    trouble(world, what)
    done = switchover(world)
    assert done.returncode == 5, done.stdout + done.stderr
    is_primary(world, "dallas")


def test_a_question_that_was_lost_changed_nothing_and_is_refused(world: World) -> None:
    trouble(world, "question-lost")
    done = switchover(world)
    said = done.stdout + done.stderr
    assert done.returncode == 3, said
    assert "boston serves" in said
    assert runs(world.dallas)[-1]["open"] is False
    is_primary(world, "boston")


def test_a_question_that_arrives_when_nobody_waits_any_more_demotes_nobody(world: World) -> None:
    trouble(world, "question-late")
    done = switchover(world)
    assert done.returncode == 3, done.stdout + done.stderr
    log = world.boston.path("/var/lib/hotstandby/peer.log")
    until(lambda: "has gone; nothing was done" in log.read_text(), "the peer's word in its log")
    is_primary(world, "boston")
