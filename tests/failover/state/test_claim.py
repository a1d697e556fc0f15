"""Two promotions at once: at most one ends with the right."""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.state import claim, local_state, right
from failover.state.right import GaveWay
from host.lock import Lock
from host.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path / "etc", tmp_path / "lib", tmp_path / "run")
    made.run.mkdir()
    return made


def test_a_claim_counts_while_its_promotion_runs(places: Places) -> None:
    claim.claim_epoch(places, 8)
    assert claim.claimed_epoch(places) == 0
    with Lock(places.run / claim.LOCK, "a test"):
        assert claim.claimed_epoch(places) == 8
        assert local_state.read_state(places, "boston").claim == 8
        claim.promise_epoch(places, 8)
        assert claim.claimed_epoch(places) == 0  # it gave way
    assert not claim.is_running(places)


def test_a_claim_of_a_promotion_that_was_killed_counts_for_nothing(places: Places) -> None:
    claim.claim_epoch(places, 8)
    file = places.run / "claim.json"
    ended = subprocess.Popen(["true"])
    ended.wait()
    file.write_text(file.read_text().replace(str(os.getpid()), str(ended.pid)))
    with Lock(places.run / claim.LOCK, "another command"):
        assert claim.claimed_epoch(places) == 0


def test_who_gave_way_takes_no_right_of_that_promotion(places: Places) -> None:
    claim.promise_epoch(places, 8)
    for epoch in (7, 8):
        with pytest.raises(GaveWay, match="gave way to its peer's promotion 8"):
            right.grant(places, "boston", epoch, "a test")
        assert not right.held_right(places, "boston").held
    right.grant(places, "boston", 9, "a test")
    assert right.held_right(places, "boston").held
    assert local_state.read_state(places, "dallas").epoch == 8  # so that the next promotion is numbered after it


def test_a_promise_is_never_taken_back_by_an_earlier_one(places: Places) -> None:
    claim.promise_epoch(places, 8)
    claim.promise_epoch(places, 3)
    assert claim.promised_epoch(places) == 8


@pytest.mark.parametrize("written", ["", "{", "[]", '{"epoch": null}', '{"epoch": -4}', "\0"])
def test_a_damaged_note_is_none(places: Places, written: str) -> None:
    (places.run / "claim.json").write_text(written)
    assert claim.claimed_epoch(places) == 0


@dataclass
class Side:
    """A machine as the rules see it: what it claims, what it promised, whether it took the right."""

    preferred: bool
    epoch: int
    claims: int = 0
    promised: int = 0
    fenced_peer: bool = False
    given_up: bool = False
    held: bool = False

    @property
    def live_claim(self) -> int:
        return self.claims if self.claims > self.promised and not self.given_up else 0


def step(me: Side, other: Side, progress: int) -> None:
    """One of the moves that a promotion makes, in order; each in one moment of its own."""
    if me.given_up:
        return
    if progress == 0:
        me.claims = me.epoch
    elif progress == 1:  # asks the peer to demote, unless it is seen to be idle
        if not other.held and not other.live_claim:
            return
        if other.held and me.epoch <= other.epoch:
            return
        if other.live_claim and not claim.gives_way(other.live_claim, me.epoch, peer_preferred=me.preferred):
            return
        other.promised = max(other.promised, me.epoch)
        other.held = False
    elif progress == 2:  # looks at what the peer is now
        me.fenced_peer = not other.held and not other.live_claim
        me.given_up = not me.fenced_peer
    elif progress == 3:  # takes the right
        me.held = me.promised < me.epoch
        me.given_up = not me.held


@given(
    st.lists(st.booleans(), min_size=8, max_size=16),
    st.integers(min_value=1, max_value=3),
    st.integers(min_value=1, max_value=3),
)
def test_in_any_interleaving_at_most_one_holds_the_right(turns: list[bool], first: int, second: int) -> None:
    boston, dallas = Side(True, first), Side(False, second)
    counts = {True: itertools.count(), False: itertools.count()}
    for turn in turns:
        me, other = (boston, dallas) if turn else (dallas, boston)
        step(me, other, next(counts[turn]))
        assert not (boston.held and dallas.held)
