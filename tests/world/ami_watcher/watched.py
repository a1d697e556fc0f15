"""A follower of one machine of the world, beside what its Asterisk and the carrier say themselves."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from ami_watcher.event import LinkState, WatcherEvent
from ami_watcher.follow.follow import Follower
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.state_words import MEANING
from lab import Release, World
from lab.carrier.accounts import CARRIER, account
from lab.until import HANG_S
from lab.world.ami_relay import AmiRelay
from lab.world.machine import Machine
from lab.world.pair_toml import AMI_SECRET
from pair.sections.machine import Ami
from tests.ami_watcher.until import until

TRUNKS = ("acme", "metro", "nova")
ALL_REGISTERED = dict.fromkeys(TRUNKS, "registered")
POLL_S = 1.0
SETTINGS = FollowSettings(
    poll_s=POLL_S, answer_s=1.0, stale_s=3.0, retry_first_s=0.1, retry_most_s=0.5, reregister=False
)
POLLS = 4
"""In so many polls what is shown agrees with what is so, where that changes meanwhile."""


def wanted(release: Release, trunks: Iterable[str] = TRUNKS) -> tuple[ExpectedRegistration, ...]:
    """These trunks, expected, on a machine with `release`."""
    found = []
    for name in trunks:
        entry = account(name)
        channel = entry.channel(release)
        found.append(
            ExpectedRegistration(name, channel, entry.username, CARRIER, 4569 if channel == "iax2" else 5060, here=True)
        )
    return tuple(found)


class Watched:
    """A follower of a machine of the world, with what it told, and what Asterisk and the carrier say meanwhile."""

    def __init__(self, follower: Follower, world: World, machine: Machine, relay: AmiRelay) -> None:
        self.follower = follower
        self.told: list[WatcherEvent] = []
        self.relay = relay
        self._world = world
        self._machine = machine

    @property
    def states(self) -> dict[str, str]:
        return {one.trunk: one.state.value for one in self.follower.snapshot.registrations}

    @property
    def link(self) -> LinkState:
        return self.follower.snapshot.link

    @property
    def registrations_told(self) -> list[tuple[str, str | None, str | None]]:
        return [(one.subject, one.before, one.after) for one in self.told if one.kind == "registration"]

    async def asterisk_says(self) -> dict[str, str]:
        """What Asterisk's own command line shows, in our words; what it does not show is gone."""
        return await asyncio.to_thread(own_words, self._machine)

    async def carrier_says(self) -> dict[str, bool]:
        """Whether the machine is bound to each account."""
        names = TRUNKS
        held = await asyncio.gather(*(asyncio.to_thread(self._world.carrier.holder, name) for name in names))
        return {name: self._machine.name in who for name, who in zip(names, held, strict=True)}

    async def shows(self, **expected: str) -> None:
        """Waits until these trunks are shown so."""
        try:
            await until(lambda: expected.items() <= self.states.items(), deadline_s=2 * HANG_S)
        except TimeoutError:
            pytest.fail(f"{self.states} instead of {expected}; Asterisk: {self.follower.snapshot}")

    async def next_poll(self) -> None:
        """Until the lists have been read once more, from the beginning: one that was under way may have been asked
        before."""
        for _ in range(2):
            before = self._listed_at()
            await until(lambda at=before: self._listed_at() > at + POLL_S / 2, deadline_s=HANG_S)  # type: ignore[misc]

    def _listed_at(self) -> float:
        """When the lists were read last; each snapshot converts it anew, which moves it by less than a poll."""
        return self.follower.snapshot.registrations_at or 0.0

    async def agrees(self) -> None:
        """What is shown is what Asterisk shows; a refresh under way is still a registration."""
        differs: dict[str, tuple[str | None, str]] = {}
        for _ in range(POLLS):
            await self.next_poll()
            said, shown = await self.asterisk_says(), self.states
            differs = {
                name: (said.get(name), state)
                for name, state in shown.items()
                if said.get(name, "gone") != state and (said.get(name), state) != ("registering", "registered")
            }
            if not differs:
                return
        pytest.fail(f"(Asterisk, shown): {differs}")

    async def agrees_with_the_carrier(self) -> None:
        await self.agrees()
        assert {name: state == "registered" for name, state in self.states.items()} == await self.carrier_says()


def own_words(machine: Machine) -> dict[str, str]:
    """`sip show registry` and its sisters, read as an admin reads them."""
    found: dict[str, str] = {}
    by_user = {account(name).username: name for name in TRUNKS}
    for command in ("sip show registry", "iax2 show registry", "pjsip show registrations"):
        for line in machine.asterisk(command).splitlines():
            words = "|".join(sorted(map(re.escape, MEANING), key=len, reverse=True))
            state = re.search(rf"\s({words})\b", line)
            name = next((by_user[user] for user in by_user if re.search(rf"\s{user}\s", line)), None)
            name = name or next((trunk for trunk in TRUNKS if line.strip().startswith(f"{trunk}/")), None)
            if name and state:
                found[name] = MEANING[state[1]].value
    return found


@contextlib.asynccontextmanager
async def watching(
    world: World,
    machine: Machine,
    release: Release,
    *,
    trunks: Iterable[str] = TRUNKS,
    give_way: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> AsyncIterator[Watched]:
    """Follows a machine, which has `release`, until the block ends; then it must end as well."""
    async with AmiRelay(machine) as relay:
        follower = Follower(
            machine.name,
            Ami(port=relay.port),
            lambda: AMI_SECRET,
            wanted(release, trunks),
            role="primary",
            settings=replace(SETTINGS, **settings),
            may_register=lambda: None,
            give_way=give_way,
        )
        watched = Watched(follower, world, machine, relay)
        stop = asyncio.Event()

        async def listen() -> None:
            async with follower.subscribe() as changes:
                async for change in changes:
                    watched.told.append(change)

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0)
        running = asyncio.create_task(follower.run(stop))
        try:
            yield watched
            assert not running.done(), running.exception()
        finally:
            stop.set()
            await asyncio.wait_for(running, HANG_S)
            listener.cancel()


async def do(action: Callable[..., object], *args: Any, **options: Any) -> None:
    """Something that blocks, beside the follower."""
    await asyncio.to_thread(action, *args, **options)
