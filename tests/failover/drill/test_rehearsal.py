"""A rehearsal says of every step what was tried, and what it lacks, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from failover.checks.check import FindingLevel
from failover.context import Context
from failover.drill.rehearsal import Rehearsal, rehearse
from failover.drill.rehearsal_view import word
from host.exits import Exit
from pair import Pair
from tests.failover.standby import Standby, standby


@pytest.fixture(scope="module")
def machine() -> Iterator[Standby]:
    with standby() as made:
        yield made


def with_pair(context: Context, **changed: object) -> Context:
    """The same machine and a peer that agrees, of a pair of which some sections are others."""
    raw = {**context.pair.model_dump(by_alias=True, exclude_unset=True), **changed}
    found = Pair.model_validate({key: value for key, value in raw.items() if value is not None})
    return replace(context, pair=found.model_copy(update={"digest": context.pair.digest}))


def level(found: Rehearsal, step: str) -> FindingLevel:
    return next(one.level for one in found.steps if one.step == step)


def proved(found: Rehearsal, step: str) -> str:
    return next(one.proved for one in found.steps if one.step == step)


def test_a_call_that_asterisk_could_not_place_leaves_the_proof_open(machine: Standby) -> None:
    raw = machine.context.pair.model_dump(by_alias=True, exclude_unset=True)
    resolving = {**raw["dns"], "resolvers": [machine.servers["ns3"].address]}
    proof = {"trunk": "acme", "number": "+16175550142"}
    found = rehearse(with_pair(machine.context, proof=proof, dns=resolving))
    assert level(found, "proof") is not FindingLevel.GOOD
    assert f"resolver {machine.servers['ns3'].address}" in proved(found, "proof")
    assert found.exit is Exit.DEGRADED
    assert found.next == "mend what is named above; then: failover drill --rehearse"


def test_a_peer_that_is_further_or_at_it_itself_fails_the_fence(machine: Standby) -> None:
    machine.peer_is(claim=9)
    try:
        found = rehearse(machine.context)
    finally:
        machine.peer_is()
    assert (level(found, "fence"), word(found.steps[0])) == (FindingLevel.BLOCKER, "FAILED")
    assert "boston is at epoch 7 itself" in proved(found, "fence")
    assert found.exit is Exit.REFUSED


def test_a_pair_without_dns_rehearses_the_rest(machine: Standby) -> None:
    found = rehearse(with_pair(machine.context, dns=None))
    assert [one.step for one in found.steps] == ["fence", "localize", "carrier-acme", "proof"]


def test_a_key_that_is_gone_leaves_dns_open(machine: Standby) -> None:
    key = machine.places.secrets / "tsig.key"
    kept = key.read_text()
    key.unlink()
    try:
        found = rehearse(machine.context)
    finally:
        key.write_text(kept)
        key.chmod(0o600)
    assert level(found, "dns") is not FindingLevel.GOOD
    assert "tsig.key" in proved(found, "dns")


def test_a_carrier_whose_secret_is_gone_leaves_its_routes_open(machine: Standby) -> None:
    carrier = machine.context.pair.carriers["acme"].model_copy(update={"preset": "none-such"})
    pair = machine.context.pair.model_copy(update={"carriers": {"acme": carrier}})
    found = rehearse(replace(machine.context, pair=pair))
    assert (level(found, "carrier-acme"), "none-such" in proved(found, "carrier-acme")) == (FindingLevel.WARNING, True)


def test_programs_that_would_run_around_a_step_are_named(machine: Standby) -> None:
    hooks = machine.places.hooks / "before-dns"
    hooks.mkdir(parents=True)
    program = hooks / "10-tell"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    try:
        found = rehearse(machine.context)
    finally:
        program.unlink()
        hooks.rmdir()
    assert proved(found, "dns").endswith("programs that would run: before-dns/10-tell")


def test_a_program_of_the_fence_is_asked_whether_the_peer_is_cut_off(machine: Standby) -> None:
    found = rehearse(with_pair(machine.context, fence={"command": ["/bin/false"], "verify": ["/bin/false"]}))
    assert level(found, "fence") is FindingLevel.GOOD
    assert "boston answers ssh" in proved(found, "fence")
