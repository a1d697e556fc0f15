"""A peer that was asked to demote itself: each answer beside each thing that is seen afterwards."""

from __future__ import annotations

import itertools

import pytest

from failover.peer.messages import AsteriskStatus, PeerStatus
from failover.steps.fence.decision import TABLE, DemotionReply, FenceDecision, PeerState, decide_fence, peer_state
from tests.failover.peer.test_messages import ACME, status
from tests.failover.steps.fence.test_evidence import FROZEN, SERVING, STANDBY

TRYING = AsteriskStatus(
    state="answers", words="", listed=True, registrations=(ACME.model_copy(update={"registered": False}),)
)
GO, NO, LOOK, STOP = FenceDecision.GO_ON, FenceDecision.REFUSE, FenceDecision.LOOK_AGAIN, FenceDecision.STOP


@pytest.mark.parametrize(
    ("reply", "found", "at_first", "in_the_end"),
    [
        (DemotionReply.PROVEN, PeerState.STANDBY, GO, GO),
        (DemotionReply.PROVEN, PeerState.SILENT, GO, GO),  # it showed its own lists; callers wait
        (DemotionReply.PROVEN, PeerState.PRIMARY, NO, NO),  # somebody promoted it since
        (DemotionReply.PROVEN, PeerState.HOLDS, LOOK, STOP),
        (DemotionReply.TRIED, PeerState.STANDBY, GO, GO),
        (DemotionReply.TRIED, PeerState.HOLDS, LOOK, STOP),
        (DemotionReply.TRIED, PeerState.SILENT, LOOK, STOP),
        (DemotionReply.TRIED, PeerState.PRIMARY, NO, NO),
        (DemotionReply.REFUSED, PeerState.PRIMARY, NO, NO),
        (DemotionReply.REFUSED, PeerState.SILENT, LOOK, NO),  # only the admin's program can still prove something
        (DemotionReply.LOST, PeerState.STANDBY, GO, GO),  # the answer was lost, what it told of is done
        (DemotionReply.LOST, PeerState.PRIMARY, LOOK, NO),  # it may be about to begin
        (DemotionReply.LOST, PeerState.HOLDS, LOOK, STOP),
        (DemotionReply.LOST, PeerState.SILENT, LOOK, STOP),
        (DemotionReply.NOT_ASKED, PeerState.STANDBY, GO, GO),
        (DemotionReply.NOT_ASKED, PeerState.SILENT, LOOK, NO),
        (DemotionReply.NOT_ASKED, PeerState.PRIMARY, NO, NO),
    ],
)
def test_what_follows_from_an_answer_and_a_look(
    reply: DemotionReply, found: PeerState, at_first: FenceDecision, in_the_end: FenceDecision
) -> None:
    assert decide_fence(reply, found, settled=False) is at_first
    assert decide_fence(reply, found, settled=True) is in_the_end


@pytest.mark.parametrize(("reply", "found"), list(itertools.product(DemotionReply, PeerState)))
def test_what_holds_in_every_row(reply: DemotionReply, found: PeerState) -> None:
    first, last = TABLE[reply, found]
    assert last is not FenceDecision.LOOK_AGAIN  # it ends
    if found in (PeerState.PRIMARY, PeerState.HOLDS):
        assert FenceDecision.GO_ON not in (first, last)  # never two that serve
    if FenceDecision.REFUSE in (first, last):
        # "Nothing changed" is said only where that is known.
        assert found is PeerState.PRIMARY or reply in (DemotionReply.NOT_ASKED, DemotionReply.REFUSED)
    if found is PeerState.STANDBY:
        assert (first, last) == (FenceDecision.GO_ON, FenceDecision.GO_ON)


@pytest.mark.parametrize(
    ("told", "proven", "expected"),
    [
        (STANDBY, True, PeerState.STANDBY),
        (None, True, PeerState.STANDBY),  # a person's word
        (None, False, PeerState.SILENT),
        (SERVING, False, PeerState.PRIMARY),
        (status(claim=8), False, PeerState.PRIMARY),
        (FROZEN, False, PeerState.SILENT),  # primary by its files, and nobody answers there
        (status(asterisk=SERVING.asterisk), False, PeerState.HOLDS),
        (status(asterisk=TRYING), False, PeerState.HOLDS),
        (status(asterisk=AsteriskStatus(state="silent", words="")), False, PeerState.SILENT),
        (status(role="unknown"), False, PeerState.SILENT),
    ],
)
def test_what_a_look_amounts_to(told: PeerStatus | None, proven: bool, expected: PeerState) -> None:
    assert peer_state(told, proven=proven) is expected
