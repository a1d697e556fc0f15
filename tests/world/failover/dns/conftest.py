"""Name servers on loopback, for the tests of DNS that need no world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failover.steps.dns.zones import PLAIN, write_plain
from tests.world.conftest import cannot
from tests.world.failover.dns.binds import Bind, Binds, free_port, loopback_addresses, missing


@pytest.fixture(scope="module")
def name_server_addresses() -> Iterator[None]:
    """The loopback interface with the addresses of four name servers, where there is a BIND."""
    reason = missing()
    if reason is not None:
        cannot(reason)
    with loopback_addresses():
        yield


@pytest.fixture
def binds(name_server_addresses: None, tmp_path: Path) -> Iterator[Binds]:
    """Four name servers that serve the zone."""
    made = Binds(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def by_file(name_server_addresses: None, tmp_path: Path) -> Iterator[Binds]:
    """Four name servers whose zone's file is edited."""
    made = Binds(tmp_path, method="zonefile", secondary_format="masterfile-format text;")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def server(name_server_addresses: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """One name server with many zones; a module may have its own."""
    where = tmp_path_factory.mktemp("zones")
    (where / "etc" / "localized" / "generations").mkdir(parents=True)
    made = Bind("boston", where, free_port())
    write_plain(made)
    made.start()
    try:
        for name in PLAIN:
            made.wait_for(f"{name}.example", "SOA", f"hostmaster.{name}.example")
        yield made
    finally:
        made.stop()
