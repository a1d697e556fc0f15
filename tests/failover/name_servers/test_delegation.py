"""Whom the parent delegates the zone to: asked at the parent, found by a resolver, or told by pair.toml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.name
import pytest

from failover.name_servers import delegation
from failover.name_servers.delegation import DelegationUnknown, read_delegation
from pair.sections.dns import Dns
from tests.fakes.four_name_servers import NET, free_port
from tests.fakes.name_server import FakeNameServer, zone_from_text
from tests.fakes.zone_data import Kind, ZoneData

ADDRESS = f"{NET}.14"
HEAD = "$TTL 1h\n@ SOA ns hostmaster 1 1d 2h 4w 1h\n  NS ns\nns A {address}\n"
PARENT = HEAD + "acme NS ns1.acme\nacme NS ns.other.test.\nns1.acme A 192.0.2.53\nns1.acme AAAA 2001:db8::53\n"
OTHER = HEAD + "@ A 192.0.2.99\nns AAAA 2001:db8::99\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNameServer]:
    """The parent, and a resolver that knows it."""
    monkeypatch.setattr(delegation, "_TRY_S", 0.3)
    monkeypatch.setattr(delegation, "_LOOK_UP_S", 0.5)
    made = FakeNameServer(ADDRESS, free_port())
    for name, text in (("example", PARENT), ("other.test", OTHER)):
        origin = dns.name.from_text(name)
        made.zones[origin] = ZoneData(origin, Kind.PRIMARY, zone_from_text(name, text.format(address=ADDRESS)))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def section(server: FakeNameServer, **more: Any) -> Dns:
    given = {
        "zone": "acme.example",
        "servers": {"boston": ADDRESS},
        "port": server.port,
        "follow": {"pbx": {"boston": "192.0.2.11", "dallas": "192.0.2.12"}},
        "resolvers": [ADDRESS],
        **more,
    }
    return Dns.model_validate(given)


FOUND = {
    "ns1.acme.example": ("192.0.2.53", "2001:db8::53"),
    "ns.other.test": (ADDRESS, "2001:db8::99"),
}


def test_the_parent_is_found_by_the_resolver_and_a_server_outside_of_the_zone_is_looked_up(
    server: FakeNameServer,
) -> None:
    assert read_delegation(section(server)) == FOUND


def test_a_parent_that_pair_toml_names_is_asked_without_looking_for_it(server: FakeNameServer) -> None:
    assert read_delegation(section(server, parent=[ADDRESS])) == FOUND


def test_a_delegation_that_pair_toml_tells_goes_before_asking_anybody(server: FakeNameServer) -> None:
    told = {"ns9": (f"{NET}.99",)}
    server.silent = True
    assert read_delegation(section(server, delegation=told)) == told


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda server: setattr(server, "silent", True), "it has no address"),
        (lambda server: server.zones.pop(dns.name.from_text("example")), "it has no address"),
    ],
)
def test_a_parent_that_cannot_be_found_is_said_with_what_to_write(
    server: FakeNameServer, break_it: Any, why: str
) -> None:
    break_it(server)
    with pytest.raises(DelegationUnknown, match=rf"{why}.*dns\.parent"):
        read_delegation(section(server))


def test_a_parent_that_is_silent_or_delegates_to_nobody_is_told_apart(server: FakeNameServer) -> None:
    with pytest.raises(DelegationUnknown, match="it delegates the zone to nobody"):
        read_delegation(section(server, zone="nobody.example", parent=[ADDRESS]))
    server.silent = True
    with pytest.raises(DelegationUnknown, match="Timeout"):
        read_delegation(section(server, parent=[ADDRESS]))
