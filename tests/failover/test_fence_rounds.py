"""How often the peer is asked over ssh until it counts as fenced: half a second without service for each question."""

from __future__ import annotations

from pathlib import Path

import pytest

from failover.fence import FenceStep
from failover.here import Here
from failover.peer.remote import Asked
from failover.peer.words import Demoted, Pbx, Status, line
from failover.probes.found import Answer, Found
from host.places import Places
from pair import parse
from tests.failover.test_peer_words import status
from tests.pair.example import EXAMPLE

SERVES = status(
    machine="boston",
    is_primary=True,
    role="primary",
    right_held=True,
    asterisk=Pbx(state="answers", words="it answers"),
)
STANDS_BY = status(
    machine="boston",
    is_primary=False,
    role="standby",
    right_held=False,
    why="boston is standby",
    asterisk=Pbx(state="answers", words="it holds nothing", listed=True),
)
DEMOTED = Demoted(machine="boston", epoch=7, proven=True, words="boston is standby", seconds=0.4, killed=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """dallas, with an ssh that writes down what it is asked, and answers as boston after its demotion would."""
    places = Places(tmp_path / "etc", tmp_path / "lib", tmp_path / "run")
    for directory in (places.localized / "ssh", places.secrets, places.state, places.run, tmp_path / "bin"):
        directory.mkdir(parents=True)
    places.machine_file.write_text("dallas\n")
    (places.localized / "ssh" / "peer_key").touch()
    for word, said in (("status", STANDS_BY), ("demote", DEMOTED)):
        (tmp_path / word).write_text(line(said) + "\n")
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nfor last; do :; done\necho "$last" >>{tmp_path}/asked\nexec cat "{tmp_path}/${{last%% *}}"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:/usr/bin:/bin")
    return Here(places, parse(EXAMPLE.encode(), places.pair_toml), "dallas")


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


def looked_at(found: Status) -> Asked:
    return Asked(Found("ssh", "boston", "status", Answer.YES, "boston answers ssh", 0.4), found)


def carried_out(step: FenceStep) -> str:
    if not step.check():
        step.apply()
    return step.verify()


def test_a_peer_that_was_just_seen_to_serve_is_asked_to_demote_and_then_looked_at_once(
    here: Here, tmp_path: Path
) -> None:
    assert "boston is standby" in carried_out(FenceStep(here, 7, seen=looked_at(SERVES)))
    assert asked(tmp_path) == ["demote 7", "status"]


def test_that_a_peer_stands_by_is_never_taken_from_an_earlier_look(here: Here, tmp_path: Path) -> None:
    assert "boston is standby" in carried_out(FenceStep(here, 7, seen=looked_at(STANDS_BY)))
    assert asked(tmp_path) == ["status", "status"]


def test_a_peer_that_is_after_the_same_is_looked_at_again_before_it_is_asked(here: Here, tmp_path: Path) -> None:
    claims = SERVES.model_copy(update={"claim": 7})
    carried_out(FenceStep(here, 7, seen=looked_at(claims)))
    assert asked(tmp_path)[0] == "status"
