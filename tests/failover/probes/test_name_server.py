"""What one name server says of who is primary, and what counts when it says nothing that makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.probe_result import ProbeAnswer
from failover.probes.name_server import ask_role, late
from pair.public_role import PublicRole
from tests.fakes.four_name_servers import FakeServers, free_port

MACHINES = ("boston", "dallas")
ROLE = '_failover 30 IN TXT "hotstandby=1 machine=boston epoch=7"\n'
OTHER = '_failover 30 IN TXT "hotstandby=1 machine=dallas epoch=6"\n'


@pytest.fixture(params=["", ROLE, ROLE + OTHER], ids=["none", "one", "two"])
def servers(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[FakeServers, str]]:
    made = FakeServers(tmp_path)
    zone = made["boston"].directory / "acme.db"
    zone.write_text(zone.read_text() + request.param)
    with made:
        yield made, request.param


def test_one_record_is_an_answer_and_two_are_none(servers: tuple[FakeServers, str]) -> None:
    made, records = servers
    found = ask_role("boston", made["boston"].address, "acme.example", MACHINES, port=made.port)
    roles = records.count("\n")
    assert found.said.answered
    assert found.said.role == (PublicRole(7, "boston") if roles == 1 else None)
    assert found.found.answer is (ProbeAnswer.ODD if roles == 2 else ProbeAnswer.YES)
    assert found.serial == 4711
    elsewhere = ask_role("boston", made["boston"].address, "other.example", MACHINES, port=made.port)
    assert (elsewhere.said.answered, elsewhere.found.answer) == (False, ProbeAnswer.ODD)


def test_a_silent_server_proves_nothing_but_its_silence() -> None:
    found = ask_role("ns3", "127.0.0.1", "acme.example", MACHINES, port=free_port())
    assert not found.said.answered
    assert found.found.answer in {ProbeAnswer.SILENT, ProbeAnswer.ODD}
    hung = late("ns3", 5.0)
    assert (hung.found.answer, hung.said.answered, hung.serial) == (ProbeAnswer.SILENT, False, 0)
    assert hung.found.words == "name server ns3 did not answer in 5.0 s"
