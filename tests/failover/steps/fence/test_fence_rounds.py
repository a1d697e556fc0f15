"""How often the peer is asked over ssh until it counts as fenced: half a second without service for each question."""

from __future__ import annotations

from pathlib import Path

import pytest

from failover.context import Context
from failover.errors import Refused
from failover.peer.messages import AsteriskStatus, DemotionReport, PeerStatus, SwitchoverReport, encode_answer
from failover.peer.remote import PeerEvidence
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.state import claim
from failover.steps.fence.step import FenceStep
from host.places import Places
from pair import parse
from tests.failover.peer.test_messages import status
from tests.pair.example import EXAMPLE

SERVES = status(
    machine="boston",
    is_primary=True,
    role="primary",
    right_held=True,
    asterisk=AsteriskStatus(state="answers", words="it answers"),
)
STANDS_BY = status(
    machine="boston",
    is_primary=False,
    role="standby",
    right_held=False,
    why="boston is standby",
    asterisk=AsteriskStatus(state="answers", words="it holds nothing", listed=True),
)
DEMOTED = DemotionReport(machine="boston", epoch=7, proven=True, words="boston is standby", seconds=0.4, killed=False)

SERVES_AGAIN = SwitchoverReport(machine="boston", run=3, epoch=8, exit=0, words="Done", seconds=1.0, moved_s=0.5)
UNABLE = ("dallas's lists cannot be read",)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """dallas, with an ssh that writes down what it is asked, and answers as boston after its demotion would."""
    places = Places(tmp_path / "etc", tmp_path / "lib", tmp_path / "run")
    for directory in (places.localized / "ssh", places.secrets, places.state, places.run, tmp_path / "bin"):
        directory.mkdir(parents=True)
    places.machine_file.write_text("dallas\n")
    (places.localized / "ssh" / "peer_key").touch()
    for word, said in (("status", STANDS_BY), ("demote", DEMOTED), ("serve", SERVES_AGAIN)):
        (tmp_path / word).write_text(encode_answer(said) + "\n")
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nfor last; do :; done\necho "$last" >>{tmp_path}/asked\nexec cat "{tmp_path}/${{last%% *}}"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:/usr/bin:/bin")
    return Context(places, parse(EXAMPLE.encode(), places.pair_toml), "dallas")


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


def looked_at(found: PeerStatus) -> PeerEvidence:
    return PeerEvidence(ProbeResult("ssh", "boston", "status", ProbeAnswer.YES, "boston answers ssh", 0.4), found)


def carried_out(step: FenceStep) -> str:
    if not step.check():
        step.apply()
    return step.verify()


def test_a_peer_that_was_just_seen_to_serve_is_asked_to_demote_and_its_own_lists_are_the_proof(
    context: Context, tmp_path: Path
) -> None:
    """It has read them after its reload; asked once more it says the same half a second later, and callers wait."""
    assert "boston is standby" in carried_out(FenceStep(context, 7, seen=looked_at(SERVES)))
    assert asked(tmp_path) == ["demote 7"]


def test_what_can_be_made_ready_is_made_ready_before_the_peer_is_asked(context: Context, tmp_path: Path) -> None:
    before: list[bool] = []
    step = FenceStep(
        context, 7, seen=looked_at(SERVES), make_ready=lambda: before.append((tmp_path / "asked").exists())
    )
    carried_out(step)
    assert before == [False]
    assert asked(tmp_path) == ["demote 7"]


def test_a_proof_that_is_old_is_looked_at_again(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("failover.steps.fence.step.ANSWERED_S", 0.0)
    assert "boston is standby" in carried_out(FenceStep(context, 7, seen=looked_at(SERVES)))
    assert asked(tmp_path)[-1] == "status"


def test_that_a_peer_stands_by_is_never_taken_from_an_earlier_look(context: Context, tmp_path: Path) -> None:
    assert "boston is standby" in carried_out(FenceStep(context, 7, seen=looked_at(STANDS_BY)))
    assert asked(tmp_path) == ["status", "status"]


def test_a_peer_that_is_after_the_same_is_looked_at_again_before_it_is_asked(context: Context, tmp_path: Path) -> None:
    claims = SERVES.model_copy(update={"claim": 7})
    carried_out(FenceStep(context, 7, seen=looked_at(claims)))
    assert asked(tmp_path)[0] == "status"


def test_a_standby_that_is_primary_of_the_zone_is_asked_to_give_it_up(context: Context, tmp_path: Path) -> None:
    """As after a power cut of both: nobody serves, and the other one's BIND is what changes would have to go to."""
    keeps = STANDS_BY.model_copy(update={"dns_role": "primary"})
    (tmp_path / "status").write_text(encode_answer(keeps) + "\n")
    words = carried_out(FenceStep(context, 7, seen=looked_at(keeps)))
    assert "demote 7" in asked(tmp_path)
    assert "boston's BIND has not given the zone up" in words
    (tmp_path / "status").write_text(encode_answer(STANDS_BY) + "\n")
    assert "BIND" not in carried_out(FenceStep(context, 8))


def test_a_machine_that_could_not_serve_any_more_asks_nobody_to_give_way(context: Context, tmp_path: Path) -> None:
    """What the plan saw is old by now, as after waiting for calls to end."""
    (tmp_path / "status").write_text(encode_answer(SERVES) + "\n")
    step = FenceStep(context, 7, able=lambda: UNABLE)
    with pytest.raises(Refused, match=r"dallas could not serve: dallas's lists cannot be read\. boston was left as it"):
        carried_out(step)
    assert "demote 7" not in asked(tmp_path)


@pytest.mark.parametrize("clean", [True, False])
def test_a_peer_that_gave_way_for_nothing_is_asked_to_serve_again_where_this_machine_surely_does_not(
    context: Context, tmp_path: Path, clean: bool
) -> None:
    step = FenceStep(context, 7, seen=looked_at(SERVES), gives_back=lambda: clean)
    carried_out(step)
    claim.claim_epoch(context.places, 7)
    step.undo({})
    assert ("serve 7" in asked(tmp_path)) is clean
    assert step.parting.startswith("NOBODY SERVES: boston is standby.")  # it goes on saying that it is
    (tmp_path / "status").write_text(encode_answer(SERVES) + "\n")
    step.undo({})
    assert step.parting == "boston serves"


def test_what_the_peer_hands_back_is_taken_without_asking_it_to_demote(context: Context, tmp_path: Path) -> None:
    """Its lists cannot be read, which is why it cannot serve: asked to prove itself standby, it would end its calls."""
    blind = STANDS_BY.model_copy(update={"asterisk": AsteriskStatus(state="answers", words="its lists cannot be read")})
    (tmp_path / "status").write_text(encode_answer(blind) + "\n")
    words = carried_out(FenceStep(context, 8, word="boston took its promotion 7 back", handed_back=True))
    assert "boston took its promotion 7 back" in words
    assert set(asked(tmp_path)) == {"status"}
    (tmp_path / "status").write_text(encode_answer(SERVES) + "\n")
    with pytest.raises(Refused):
        carried_out(FenceStep(context, 8, word="boston took its promotion 7 back", handed_back=True))
