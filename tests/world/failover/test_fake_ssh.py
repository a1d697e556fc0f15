"""Real ssh does what the fake of the unit tests does: one table for both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from lab import World
from lab.computer import disk
from tests.fakes.peer_contract import EXPECTED, PROGRAM
from tests.fakes.two_machines import Ssh
from tests.world.conftest import Worlds
from tests.world.failover.pairing import introduce, mended, python

pytestmark = pytest.mark.world

KEYS: Final = f"{disk.HOME}/.ssh/authorized_keys"
FORCED: Final = {
    Ssh.OTHER_PROGRAM: "failover-is-not-here",
    Ssh.OLD_VERSION: "case $SSH_ORIGINAL_COMMAND in status) ;; *) SSH_ORIGINAL_COMMAND=nothing ;; esac; failover peer",
    Ssh.LOST_ANSWER: "case $SSH_ORIGINAL_COMMAND in status) failover peer ;; "
    "*) failover peer > /dev/null; sleep 60 ;; esac",
}
"""What boston runs in place of `failover peer`."""


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True)
    introduce(made)
    return made


@pytest.fixture(autouse=True)
def _mended(world: World) -> Iterator[None]:
    kept = world.boston.path(KEYS).read_text()
    with mended(world):
        yield
    world.boston.path(KEYS).write_text(kept)


def behave(world: World, behaviour: Ssh) -> None:
    """Makes boston behave so."""
    allowed = world.boston.path(KEYS)
    if behaviour is Ssh.HANGS:
        world.cut("boston", "dallas")
    elif behaviour is Ssh.REFUSED:
        world.boston.stop_sshd()
    elif behaviour is Ssh.UNKNOWN_KEY:
        allowed.write_text("")
    elif behaviour in FORCED:
        allowed.write_text(allowed.read_text().replace("failover peer", FORCED[behaviour]))


@pytest.mark.parametrize("behaviour", list(Ssh), ids=lambda one: one.name.lower())
def test_real_ssh_behaves_as_the_table_says(world: World, behaviour: Ssh) -> None:
    behave(world, behaviour)
    assert python(world.dallas, PROGRAM) == EXPECTED[behaviour]
