"""The AMI stand-in is held to the real thing: what it was taught is what Asterisk 16 and 22 say."""

from __future__ import annotations

import pytest

from lab import Release, World
from lab.fakes.recording import Recording, add_users, record, shape
from lab.world.registrations import write_registrations
from tests.world.ami_watcher.watched import do
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    made = worlds(boston=release, dallas=release, start=["boston"], iax_expiry_s=10)
    add_users(made.boston)
    return made


async def test_the_stand_in_says_what_the_real_one_says(world: World, release: Release) -> None:
    """Same messages with the same headers in the same order, or the recordings have to be made anew."""
    await do(write_registrations, world.boston, release)
    for trunk in ("acme", "metro", "nova"):
        await do(world.carrier.await_holder, trunk, ["boston"])
    real, kept = await record(world.boston, release), Recording.load(release)
    assert real.greeting == kept.greeting
    assert [(one.user, one.sent) for one in real.exchanges] == [(one.user, one.sent) for one in kept.exchanges]
    for now, then in zip(real.exchanges, kept.exchanges, strict=True):
        # Events that came beside an answer come when they come.
        answers = [[m for m in one.received if "Privilege: system,all" not in m] for one in (now, then)]
        assert list(map(shape, answers[0])) == list(map(shape, answers[1])), now.action
    assert {shape(event) for event in kept.events} <= {shape(event) for event in real.events}
