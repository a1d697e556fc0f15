"""What a plan is made of: how long steps took, what each would change, and which numbers are not believed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from failover.context import Context
from failover.journal import journal
from failover.journal.entry import EntryKind
from failover.plan.planning import USUAL_S, left_out, plan_promotion, steps, taken_passwords, took
from failover.probe_result import ProbeAnswer
from failover.state import proven_secrets
from pair import Pair
from pair.public_role import Believed
from tests.failover.standby import Standby, standby


@pytest.fixture(scope="module")
def machine() -> Iterator[Standby]:
    with standby() as made:
        yield made


def with_pair(context: Context, **changed: object) -> Context:
    raw = {**context.pair.model_dump(by_alias=True, exclude_unset=True), **changed}
    return replace(context, pair=Pair.model_validate({key: value for key, value in raw.items() if value is not None}))


@contextlib.contextmanager
def a_run(context: Context) -> Iterator[None]:
    directory = journal.directory(context.places)
    written = journal.create(directory, "promote", machine=context.machine, epoch=8)
    for kind, step in (
        (EntryKind.OPENED, ""),
        (EntryKind.BEGUN, "fence"),
        (EntryKind.VERIFIED, "fence"),
        (EntryKind.BEGUN, "dns"),
        (EntryKind.FAILED, "dns"),
        (EntryKind.CLOSED, ""),
    ):
        written.append(kind, step, "words")
    written.close()
    yield
    for file in journal.files(directory):
        file.path.unlink()


def test_a_step_is_expected_to_take_what_it_took_last(machine: Standby) -> None:
    assert took(machine.context) == {}
    with a_run(machine.context):
        found = took(machine.context)
        assert set(found) == {"fence"}  # what failed says nothing of how long it takes
        assert 0.0 <= found["fence"] < 30.0
        (file,) = journal.files(journal.directory(machine.places))
        file.path.write_bytes(b"damaged\n")
        assert took(machine.context) == {}


def named(context: Context, word: str = "", *, demotable: bool = False) -> dict[str, str]:
    return {one.name: one.changes for one in steps(context, {}, word=word, demotable=demotable)}


def test_how_the_peer_is_fenced_is_said_as_it_would_be(machine: Standby) -> None:
    context = machine.context
    assert named(context, demotable=True)["fence"] == "ask boston to demote itself"
    assert named(context)["fence"] == "ask boston to demote itself, if it answers"
    assert named(context, "the plug is out")["fence"] == "take a person's word that boston is down"
    program = with_pair(context, fence={"command": ["/bin/off"], "verify": ["/bin/off"]})
    assert named(program)["fence"] == "cut boston off with /bin/off"


def test_each_carrier_and_the_proof_say_what_they_would_do(machine: Standby) -> None:
    context = machine.context
    assert named(context)["carrier-acme"] == "a person calls acme"
    routed = {"preset": "voipms", "dids": ["5551234567"], "routes": {"dallas": "dallas-main"}}
    unknown = {**routed, "preset": "none-such", "dids": []}
    proof = {"trunk": "acme", "number": "+16175550142"}
    raw = context.pair.model_dump(by_alias=True, exclude_unset=True)
    resolving = {**raw["dns"], "resolvers": ["127.0.0.1"]}
    for carrier, said in ((routed, "1 numbers at"), (unknown, "the trunk at none-such")):
        made = replace(
            context,
            pair=context.pair.model_copy(
                update={
                    "carriers": {
                        "acme": context.pair.carriers["acme"].model_copy(
                            update={"preset": carrier["preset"], "dids": tuple(carrier["dids"]), "routes": {}}
                        )
                    }
                }
            ),
        )
        assert said in named(made)["carrier-acme"]
    whole = with_pair(context, proof=proof, dns=resolving)
    (last,) = [one for one in steps(whole, {}, word="", demotable=True) if one.name == "proof"]
    assert last.changes == "call +16175550142 through acme"
    assert last.proof == "Asterisk's own lists, public resolvers, sound both ways"
    assert last.expected_s > USUAL_S["proof"]


def test_a_pair_without_dns_has_no_such_step(machine: Standby) -> None:
    assert "dns" not in named(with_pair(machine.context, dns=None))


def test_whose_passwords_a_carrier_took_from_here_is_evidence(machine: Standby) -> None:
    context = machine.context
    found = taken_passwords(context)
    assert (found.answer, "acme, nova" in found.words) == (ProbeAnswer.UNKNOWN, True)
    proven_secrets.note(context.places, context.pair, context.machine, ["acme", "nova"], 1000.0)
    found = taken_passwords(context)
    assert found.answer is ProbeAnswer.YES
    assert found.words.startswith("carriers took every present password from here, the oldest ")
    (machine.places.state / proven_secrets.FILE).unlink()


def test_a_number_that_is_not_believed_is_named() -> None:
    (found,) = left_out(Believed(7, {"ns3": 10**9}), 7)
    assert found.answer is ProbeAnswer.ODD
    assert found.words.startswith("ns3 tells promotion 1000000000, and 7 is known here")


def test_files_that_cannot_be_rendered_and_were_never_refuse_the_plan(machine: Standby) -> None:
    aside = machine.places.localized / "aside"
    generations = machine.places.localized / "generations"
    secret = machine.places.secrets / "acme"
    kept = secret.read_text()
    generations.rename(aside)
    secret.unlink()
    try:
        made = plan_promotion(machine.context, "promote")
        assert made.prepared is None
        assert [one.name for one in made.plan.risks] == ["generation"]
        assert not made.plan.risks[0].can_be_forced
    finally:
        secret.write_text(kept)
        secret.chmod(0o600)
        if generations.exists():
            generations.rename(machine.places.localized / "other")
        aside.rename(generations)


def test_the_plan_of_the_same_things_has_the_same_digest(machine: Standby) -> None:
    first, second = (plan_promotion(machine.context, "switchover").plan for _ in range(2))
    assert first.digest == second.digest
    document = first.document()
    assert (document["digest"], document["machine"], document["peer"]) == (first.digest, "dallas", "boston")
