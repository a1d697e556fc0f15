"""The fake Asterisk keeps the contract; tests/world/lab/test_fake_asterisk.py holds the real ones to it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ami_watcher.registrations.lists import RegistrationLists, read_registrations
from host.command import run
from lab.carrier.accounts import account
from lab.computer.roots import Release
from lab.fakes.asterisk import FakeAsterisk, FakeRegistrar, Reply, fake_asterisk
from lab.world.pair_toml import AMI_SECRET
from pair.sections.machine import Ami
from tests.lab.fakes.asterisk_contract import TRUNKS, AsteriskContract


class FakeSubject:
    """The fake, beside a directory of its own."""

    def __init__(self, release: Release, directory: Path) -> None:
        self.release = release
        self.etc, self.includes = directory / "etc", directory / "current"
        self.etc.mkdir()
        self.includes.mkdir()
        for name in ("sip", "iax", "pjsip"):
            (self.includes / f"{name}-registrations.conf").touch()
        (self.includes / "pjsip-auth.conf").touch()
        (self.includes / "role.conf").touch()
        for name in ("sip", "iax"):
            (self.etc / f"{name}.conf").write_text(f"[general]\n#include {self.includes}/{name}-registrations.conf\n")
        (self.etc / "pjsip.conf").write_text(
            "".join(f"#include {self.includes}/pjsip-{name}.conf\n" for name in ("auth", "registrations"))
        )
        (self.etc / "extensions.conf").write_text(f"[globals]\n#include {self.includes}/role.conf\n")
        self.registrar = FakeRegistrar()
        self.asterisk = FakeAsterisk("boston", release, self.etc, self.registrar, control=directory)
        self.log = self.asterisk.log

    def rx(self, command: str) -> str:
        return run([str(self.asterisk.command), "-rx", command], deadline_s=30).stdout

    def lists(self) -> RegistrationLists:
        return asyncio.run(read_registrations(Ami(port=self.asterisk.port), AMI_SECRET, deadline_s=30))

    def refuse(self, accounts: Sequence[str]) -> None:
        self.registrar.replies = {account(trunk).username: Reply.REFUSED for trunk in TRUNKS if trunk in accounts}


@pytest.fixture(params=["16", "22"])
def subject(request: pytest.FixtureRequest) -> Iterator[FakeSubject]:
    with tempfile.TemporaryDirectory(prefix="a-") as directory:
        made = FakeSubject(request.param, Path(directory))
        with fake_asterisk(made.asterisk):
            yield made


class TestFakeAsterisk(AsteriskContract):
    """Every question of the contract."""
