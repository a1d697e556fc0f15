"""Name servers on loopback, for the tests of DNS that need no world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world.conftest import cannot
from tests.world.failover.dns.binds import Binds, loopback_addresses, missing


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
