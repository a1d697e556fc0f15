"""Four name servers of ours for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failover.steps.dns.zones import PLAIN, write_plain
from tests.fakes.bind import Programs, on_path
from tests.fakes.four_name_servers import FakeServer, FakeServers, free_port


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    """One name server with many zones."""
    where = tmp_path_factory.mktemp("zones")
    (where / "etc" / "localized" / "generations").mkdir(parents=True)
    with Programs(where / "bin") as programs, on_path(programs.directory):
        made = FakeServer("boston", where, free_port(), programs)
        write_plain(made)
        made.start()
        try:
            for name in PLAIN:
                made.wait_for(f"{name}.example", "SOA", f"hostmaster.{name}.example")
            yield made
        finally:
            made.stop()
