"""Whom the name servers call primary, as the watcher asks them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.name
import dns.zone
import pytest

from ami_watcher import other_machine
from ami_watcher.other_machine import query_public_roles
from pair import Pair, parse
from pair.public_role import PublicRole
from tests.ami_watcher.fake_source import pair_text
from tests.ami_watcher.running import free_port
from tests.fakes.name_server import FakeNameServer
from tests.fakes.zone_data import Kind, ZoneData

ZONE = "acme.example."
SOA = "@ 30 IN SOA ns hostmaster 1 3600 600 86400 30\n@ 30 IN NS ns\nns 30 IN A 127.0.0.1\n"
DNS = """
[dns]
zone = "acme.example"
port = {port}
servers = {{ ns1 = "127.0.0.1", ns2 = "127.0.0.2" }}
method = "zonefile"
zone_file = "/etc/bind/db.acme"
"""


def a_pair(port: int) -> Pair:
    return parse((pair_text() + DNS.format(port=port)).encode(), Path("pair.toml"))


@contextmanager
def serving(port: int, *records: str) -> Iterator[FakeNameServer]:
    name = dns.name.from_text(ZONE)
    content = dns.zone.from_text(SOA + "".join(f"{line}\n" for line in records), origin=name, relativize=False)
    server = FakeNameServer("127.0.0.1", port, {name: ZoneData(name, Kind.PRIMARY, content)})
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("records", "found"),
    [
        (('_failover 30 IN TXT "hotstandby=1 machine=dallas epoch=7"',), {"ns1": PublicRole(7, "dallas")}),
        (("_failover 30 IN TXT hotstandby=1 machine=dallas epoch=7",), {}),  # three texts, none of them ours
        (('_failover 30 IN TXT "hotstandby=1 machine=chicago epoch=7"',), {}),  # no machine of this pair
        (
            (
                '_failover 30 IN TXT "hotstandby=1 machine=dallas epoch=7"',
                '_failover 30 IN TXT "hotstandby=1 machine=boston epoch=8"',
            ),
            {},  # two records say nothing
        ),
        ((), {}),
    ],
)
def test_a_name_server_names_the_primary_by_one_record(
    records: tuple[str, ...], found: dict[str, PublicRole], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_machine, "ASK_S", 1.0)
    port = free_port()
    with serving(port, *records):
        # ns2 does not answer, and is left out.
        assert query_public_roles(a_pair(port), "boston") == found


def test_a_name_server_that_is_silent_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_machine, "ASK_S", 0.2)
    port = free_port()
    with serving(port, '_failover 30 IN TXT "hotstandby=1 machine=dallas epoch=7"') as server:
        server.silent = True
        assert query_public_roles(a_pair(port), "boston") == {}


def test_without_name_servers_nobody_is_asked() -> None:
    assert query_public_roles(parse(pair_text().encode(), Path("pair.toml")), "boston") == {}
