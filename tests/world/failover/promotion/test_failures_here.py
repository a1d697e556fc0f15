"""Each thing that can go wrong on the machine that promotes itself, for real: the exit code, what is kept and said.

The zone has 10,000 records, as in test_failures.py.
"""

from __future__ import annotations

import pytest

from tests.world.conftest import Worlds
from tests.world.failover.promotion.failing import Scene, opened
from tests.world.failover.promotion.faults import Row, frozen, no_named, no_room, secret

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def scene(worlds: Worlds) -> Scene:
    made = opened(worlds)
    made.boston_dies()
    return made


FAULTS = {
    "our name server is down, a required registration is rejected": Row(
        {no_named: "rndc status", secret("acme", "wrong"): "Go on with the same command"}, 4, "primary"
    ),
    "Asterisk is frozen": Row({frozen: "Begin anew with: failover promote"}, 1, "standby"),
    "no room for the journal": Row({no_room: "disk"}, 1, "standby"),
    # What was rendered when it could be serves: somebody has to answer.
    "a secret is gone": Row({secret("acme"): "rendered earlier, is used"}, 5, "primary"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_goes_wrong_here_has_its_code_loses_nothing_and_says_the_way_on(scene: Scene, what: str) -> None:
    FAULTS[what].holds(scene)
