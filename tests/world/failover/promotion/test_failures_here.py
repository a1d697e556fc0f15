"""Each thing that can go wrong on the machine that promotes itself, for real: the exit code, what is kept and said.

The zone has 10,000 records, as in test_failures.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.world.conftest import Worlds
from tests.world.failover.promotion.failing import Scene, changed, full_disk, opened
from tests.world.failover.promotion.faults import Row

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def scene(worlds: Worlds) -> Scene:
    made = opened(worlds)
    made.boston_dies()
    return made


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
def wrong_password(scene: Scene) -> Iterator[None]:
    with changed(scene.dallas, "/etc/hotstandby/secrets/acme", "wrong"):
        yield


@contextmanager
def no_room_for_the_journal(scene: Scene) -> Iterator[None]:
    with full_disk(scene.dallas, "/var/lib/hotstandby"):
        yield


@contextmanager
def no_secret(scene: Scene) -> Iterator[None]:
    secret = scene.dallas.path("/etc/hotstandby/secrets/acme")
    aside = secret.rename(secret.with_name("acme.aside"))
    try:
        yield
    finally:
        aside.rename(secret)


FAULTS = {
    "our name server is down, a required registration is rejected": Row(
        {no_named: "rndc status", wrong_password: "Go on with the same command"}, 4, "primary"
    ),
    "Asterisk is frozen": Row({frozen: "Begin anew with: failover promote"}, 1, "standby"),
    "no room for the journal": Row({no_room_for_the_journal: "disk"}, 1, "standby"),
    # What was rendered when it could be serves: somebody has to answer.
    "a secret is gone": Row({no_secret: "rendered earlier, is used"}, 5, "primary"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_goes_wrong_here_has_its_code_loses_nothing_and_says_the_way_on(scene: Scene, what: str) -> None:
    FAULTS[what].holds(scene)
