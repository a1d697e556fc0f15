"""When the list of phones is told to the other machine: never before this machine has taken it in itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ami_watcher.phones.exchange import ContactExchange
from ami_watcher.phones.inventory import ContactExport
from lab.until import HANG_S
from tests.ami_watcher.fake_source import FakeSource, a_phone, a_snapshot
from tests.ami_watcher.served import serving
from tests.ami_watcher.until import until


async def test_a_list_that_comes_in_the_middle_of_a_round_is_told_in_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource(a_snapshot(contacts=(), contacts_at=None))
    told: list[ContactExport] = []

    def other(_: ContactExchange) -> tuple[ContactExport | None, str]:
        # The round has looked at Asterisk, and now reads what lies on the disk: meanwhile the first list is there.
        source.current = a_snapshot(contacts=(a_phone("100"),), contacts_at=time.time())
        return None, "it has left none yet"

    monkeypatch.setattr(ContactExchange, "other", other)
    monkeypatch.setattr(ContactExchange, "publish", lambda _, export: told.append(export))
    async with serving(tmp_path, source):
        await until(lambda: told, deadline_s=HANG_S)
    assert [[one.contact.name for one in export.known] for export in told] == [["100"]]
