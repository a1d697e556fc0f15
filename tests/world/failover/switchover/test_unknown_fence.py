"""A switchover that cannot know whether its peer demoted itself: exit 4, and each of the three ways on from there."""

from __future__ import annotations

import pytest

from lab import World
from tests.world.conftest import Worlds
from tests.world.failover.cutover import answered, failover, served
from tests.world.failover.promotion.mortal import role_on_disk
from tests.world.failover.promotion.test_promote import runs
from tests.world.failover.switchover.troubled import TRUNKS, boston_serves, is_primary, opened, switchover, trouble

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    return opened(worlds)


@pytest.fixture(autouse=True)
def _boston_serves(world: World) -> None:
    boston_serves(world)


def unknown(world: World) -> str:
    trouble(world, "hangs-then-deaf")
    done = switchover(world)
    said = done.stdout + done.stderr
    assert done.returncode == 4, said
    assert role_on_disk(world.dallas) == role_on_disk(world.boston) == "standby"
    assert runs(world.dallas)[-1]["open"] is True
    return said


def test_what_is_not_known_stays_open_and_the_same_again_goes_on(world: World) -> None:
    said = unknown(world)
    for words in (
        "whether it did is not known",
        "failover status",
        "Type the same again here, failover switchover",
        "type there: failover promote",
    ):
        assert words in said, said
    again = switchover(world)
    assert again.returncode == 4, again.stdout + again.stderr
    trouble(world, "")
    done = answered(world.dallas, "switchover")
    assert done.returncode == 5, done.stdout + done.stderr
    is_primary(world, "dallas")


def test_giving_up_gives_the_calls_back_to_the_peer_that_gave_way(world: World) -> None:
    unknown(world)
    trouble(world, "")
    done = failover(world.dallas, "switchover", "--abort")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "total" in said
    assert "boston serves. Taken back" in said, said
    is_primary(world, "boston")


def test_giving_up_says_first_that_nobody_serves_where_the_peer_cannot_be_asked_to(world: World) -> None:
    boston_serves(world)
    unknown(world)
    trouble(world, "")
    world.boston.stop_asterisk()
    done = failover(world.dallas, "switchover", "--abort")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "NOBODY SERVES: boston is standby." in said
    assert "type there: failover promote" in said
    world.boston.start_asterisk()
    served(world.boston, "promote")
    is_primary(world, "boston")


def test_a_peer_that_died_meanwhile_takes_one_word(world: World) -> None:
    unknown(world)
    world.boston.power_off()
    done = failover(world.dallas, "promote", "--peer-is-down", "its power is gone")
    assert done.returncode == 5, done.stdout + done.stderr
    assert failover(world.dallas, "is-primary").returncode == 0
    for trunk in TRUNKS:
        world.carrier.await_holder(trunk, ["dallas"])
    world.boston.power_on()
