"""A peer that was asked to demote itself: each answer beside each thing that is seen afterwards."""

from __future__ import annotations

import itertools

import pytest

from failover.peer.messages import Pbx, Status
from failover.steps.fence.decision import TABLE, Reply, Seen, Verdict, seen, verdict
from tests.failover.test_fence import FROZEN, SERVING, STANDBY
from tests.failover.test_peer_words import ACME, status

TRYING = Pbx(state="answers", words="", listed=True, registrations=(ACME.model_copy(update={"registered": False}),))
GO, NO, LOOK, STOP = Verdict.GO_ON, Verdict.REFUSE, Verdict.LOOK_AGAIN, Verdict.STOP


@pytest.mark.parametrize(
    ("reply", "found", "at_first", "in_the_end"),
    [
        (Reply.PROVEN, Seen.STANDBY, GO, GO),
        (Reply.PROVEN, Seen.SILENT, GO, GO),  # it showed its own lists; callers wait
        (Reply.PROVEN, Seen.PRIMARY, NO, NO),  # somebody promoted it since
        (Reply.PROVEN, Seen.HOLDS, LOOK, STOP),
        (Reply.TRIED, Seen.STANDBY, GO, GO),
        (Reply.TRIED, Seen.HOLDS, LOOK, STOP),
        (Reply.TRIED, Seen.SILENT, LOOK, STOP),
        (Reply.TRIED, Seen.PRIMARY, NO, NO),
        (Reply.REFUSED, Seen.PRIMARY, NO, NO),
        (Reply.REFUSED, Seen.SILENT, LOOK, NO),  # only the admin's program can still prove something
        (Reply.LOST, Seen.STANDBY, GO, GO),  # the answer was lost, what it told of is done
        (Reply.LOST, Seen.PRIMARY, LOOK, NO),  # it may be about to begin
        (Reply.LOST, Seen.HOLDS, LOOK, STOP),
        (Reply.LOST, Seen.SILENT, LOOK, STOP),
        (Reply.NOT_ASKED, Seen.STANDBY, GO, GO),
        (Reply.NOT_ASKED, Seen.SILENT, LOOK, NO),
        (Reply.NOT_ASKED, Seen.PRIMARY, NO, NO),
    ],
)
def test_what_follows_from_an_answer_and_a_look(
    reply: Reply, found: Seen, at_first: Verdict, in_the_end: Verdict
) -> None:
    assert verdict(reply, found, settled=False) is at_first
    assert verdict(reply, found, settled=True) is in_the_end


@pytest.mark.parametrize(("reply", "found"), list(itertools.product(Reply, Seen)))
def test_what_holds_in_every_row(reply: Reply, found: Seen) -> None:
    first, last = TABLE[reply, found]
    assert last is not Verdict.LOOK_AGAIN  # it ends
    if found in (Seen.PRIMARY, Seen.HOLDS):
        assert Verdict.GO_ON not in (first, last)  # never two that serve
    if Verdict.REFUSE in (first, last):
        # "Nothing changed" is said only where that is known.
        assert found is Seen.PRIMARY or reply in (Reply.NOT_ASKED, Reply.REFUSED)
    if found is Seen.STANDBY:
        assert (first, last) == (Verdict.GO_ON, Verdict.GO_ON)


@pytest.mark.parametrize(
    ("told", "proven", "expected"),
    [
        (STANDBY, True, Seen.STANDBY),
        (None, True, Seen.STANDBY),  # a person's word
        (None, False, Seen.SILENT),
        (SERVING, False, Seen.PRIMARY),
        (status(claim=8), False, Seen.PRIMARY),
        (FROZEN, False, Seen.SILENT),  # primary by its files, and nobody answers there
        (status(asterisk=SERVING.asterisk), False, Seen.HOLDS),
        (status(asterisk=TRYING), False, Seen.HOLDS),
        (status(asterisk=Pbx(state="silent", words="")), False, Seen.SILENT),
        (status(role="unknown"), False, Seen.SILENT),
    ],
)
def test_what_a_look_amounts_to(told: Status | None, proven: bool, expected: Seen) -> None:
    assert seen(told, proven=proven) is expected
