"""The real Asterisk 16 and 22, held to the contract that the fake one keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ami_watcher.registrations.lists import RegistrationLists, read_registrations
from lab import Release, World
from lab.world.ami_relay import AmiRelay
from lab.world.pair_toml import AMI_SECRET
from pair.sections.machine import Ami
from tests.lab.fakes.asterisk_contract import SHOW_LOGS, AsteriskContract
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world


class RealSubject:
    """A machine's Asterisk; the carrier refuses whoever has a wrong secret."""

    def __init__(self, world: World, release: Release) -> None:
        self.release = release
        self._machine = world.boston
        self.etc = self._machine.path("/etc/asterisk")
        self.includes = self._machine.path("/etc/hotstandby/localized/generations/0-empty/asterisk")
        self.log = self._machine.path("/var/log/asterisk/messages")
        if not self.log.exists():
            self.log = self._machine.path("/var/log/asterisk/messages.log")

    def rx(self, command: str) -> str:
        return self._machine.asterisk(command)

    def lists(self) -> RegistrationLists:
        return asyncio.run(self._lists())

    async def _lists(self) -> RegistrationLists:
        async with AmiRelay(self._machine) as relay:
            return await read_registrations(Ami(port=relay.port), AMI_SECRET, deadline_s=30)

    def refuse(self, accounts: Sequence[str]) -> None:
        """Nothing: who has a wrong secret is refused."""


@pytest.fixture(scope="module")
def subject(worlds: Worlds, release: Release) -> RealSubject:
    return RealSubject(worlds(boston=release, dallas=release, start=["boston"], iax_expiry_s=10), release)


class TestRealAsterisk(AsteriskContract):
    """Every question of the contract."""


def test_its_log_is_where_it_says(subject: RealSubject) -> None:
    assert "/var/log/asterisk/messages" in subject.rx(SHOW_LOGS)
