"""Four name servers of ours for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.four_name_servers import FakeServers


@pytest.fixture
def binds(tmp_path: Path) -> Iterator[FakeServers]:
    """The zone is changed by UPDATE."""
    with FakeServers(tmp_path) as servers:
        yield servers


@pytest.fixture
def by_file(tmp_path: Path) -> Iterator[FakeServers]:
    """The zone's file is edited."""
    with FakeServers(tmp_path, method="zonefile", secondary_format="masterfile-format text;") as servers:
        yield servers
