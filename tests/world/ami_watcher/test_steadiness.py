"""Refreshes are no changes, however short the expiry: Asterisk 16 and 22 at the same time."""

from __future__ import annotations

import asyncio

import pytest

from lab import World
from lab.world.registrations import write_registrations
from tests.world.ami_watcher.watched import do, watching
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

BOSTON = ("acme", "metro")
"""chan_sip and chan_iax2, on Asterisk 16."""
DALLAS = ("nova", "forked")
"""PJSIP, on Asterisk 22."""


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    return worlds(boston="16", dallas="22", iax_expiry_s=10)


async def test_refreshes_are_no_changes(world: World) -> None:
    await unchanged(world, seconds=40.0)


@pytest.mark.soak
async def test_ten_minutes_of_refreshes_are_no_changes(world: World) -> None:
    await unchanged(world, seconds=600.0)


async def unchanged(world: World, *, seconds: float) -> None:
    """Expiries of ten seconds, and twenty for PJSIP: SIP refreshes every 8 s, IAX2 every 8.3 s, PJSIP every 10 s."""
    await do(write_registrations, world.boston, "16", trunks=BOSTON, expiry_s=10)
    await do(write_registrations, world.dallas, "22", trunks=DALLAS, expiry_s=20)
    async with (
        watching(world, world.boston, "16", trunks=BOSTON, poll_s=0.5) as boston,
        watching(world, world.dallas, "22", trunks=DALLAS, poll_s=0.5) as dallas,
    ):
        await boston.shows(**dict.fromkeys(BOSTON, "registered"))
        await dallas.shows(**dict.fromkeys(DALLAS, "registered"))
        await asyncio.sleep(1.0)
        told = boston.told, dallas.told
        for changes in told:
            changes.clear()
        before = {name: len(world.carrier.registers(name)) for name in BOSTON + DALLAS}
        await asyncio.sleep(seconds)
        assert told == ([], [])
        refreshed = {name: len(world.carrier.registers(name)) - count for name, count in before.items()}
        assert min(refreshed.values()) >= seconds / 14, refreshed
