"""What becomes of a promotion whose peer was asked to demote itself: on, refused, another look, or stopped half-way.

Rules only. What they hold to: nobody goes on beside a machine that may serve; and nobody says "refused, nothing
changed" of a peer that may have demoted itself meanwhile, for then both would be standby and nobody would answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from failover.peer.messages import PeerStatus


class DemotionReply(Enum):
    """What came of asking the peer to demote."""

    NOT_ASKED = "not asked"
    """It was not reached, so nothing was asked."""
    PROVEN = "proven"
    """It was seen to be standby a moment ago, by its own answer to this very promotion or by a look."""
    TRIED = "tried"
    """It tried, and says itself that it is not proven."""
    REFUSED = "refused"
    """It answered that it does not, and changed nothing."""
    LOST = "lost"
    """No answer came in time: it may have heard nothing, be at it, or be done."""


class PeerState(Enum):
    """What the peer says of itself, looked at afterwards."""

    STANDBY = "standby"
    """Proven down or demoted, by itself, by the admin's program or by a person's word."""
    PRIMARY = "primary"
    """It holds the right and its Asterisk answers, or it is being promoted itself."""
    HOLDS = "holds"
    """No longer primary, and its Asterisk still has shared accounts."""
    SILENT = "silent"
    """It cannot be asked, or what it says proves neither."""


class FenceDecision(Enum):
    """What to do."""

    GO_ON = "go on"
    REFUSE = "refuse"
    """It provably serves, or it was never asked: nothing changed."""
    LOOK_AGAIN = "look again"
    STOP = "stop"
    """It may have demoted itself: the journal stays open, and the same command looks again."""


_GO_ON: Final = (FenceDecision.GO_ON, FenceDecision.GO_ON)
_REFUSE: Final = (FenceDecision.REFUSE, FenceDecision.REFUSE)
_LOOK_THEN_REFUSE: Final = (FenceDecision.LOOK_AGAIN, FenceDecision.REFUSE)
_LOOK_THEN_STOP: Final = (FenceDecision.LOOK_AGAIN, FenceDecision.STOP)

TABLE: Final[Mapping[tuple[DemotionReply, PeerState], tuple[FenceDecision, FenceDecision]]] = {
    **{(reply, PeerState.STANDBY): _GO_ON for reply in DemotionReply},
    (DemotionReply.NOT_ASKED, PeerState.PRIMARY): _REFUSE,
    (DemotionReply.NOT_ASKED, PeerState.HOLDS): _LOOK_THEN_REFUSE,
    (DemotionReply.NOT_ASKED, PeerState.SILENT): _LOOK_THEN_REFUSE,
    # Primary again after it had demoted itself: somebody promoted it, and that is newer.
    (DemotionReply.PROVEN, PeerState.PRIMARY): _REFUSE,
    (DemotionReply.PROVEN, PeerState.HOLDS): _LOOK_THEN_STOP,
    # Its proof is seconds old, and it takes the right of no promotion up to this one any more (claim.promise).
    (DemotionReply.PROVEN, PeerState.SILENT): _GO_ON,
    (DemotionReply.TRIED, PeerState.PRIMARY): _REFUSE,
    (DemotionReply.TRIED, PeerState.HOLDS): _LOOK_THEN_STOP,
    (DemotionReply.TRIED, PeerState.SILENT): _LOOK_THEN_STOP,
    (DemotionReply.REFUSED, PeerState.PRIMARY): _REFUSE,
    (DemotionReply.REFUSED, PeerState.HOLDS): _REFUSE,
    # Only a program of the admin's can still show that it is down.
    (DemotionReply.REFUSED, PeerState.SILENT): _LOOK_THEN_REFUSE,
    # What was asked may be on its way still: it counts as not done when its time has passed.
    (DemotionReply.LOST, PeerState.PRIMARY): _LOOK_THEN_REFUSE,
    (DemotionReply.LOST, PeerState.HOLDS): _LOOK_THEN_STOP,
    (DemotionReply.LOST, PeerState.SILENT): _LOOK_THEN_STOP,
}
"""What to do while there is time, and when it has passed."""


def decide_fence(reply: DemotionReply, seen: PeerState, *, settled: bool) -> FenceDecision:
    """What to do.

    Args:
        settled: whatever was asked for has come to its end by now, whichever it is.
    """
    return TABLE[reply, seen][settled]


def peer_state(status: PeerStatus | None, *, proven: bool) -> PeerState:
    """What a look amounts to.

    Args:
        status: what the peer said of itself; None where it could not be asked.
        proven: it is proven down or demoted.
    """
    if proven:
        return PeerState.STANDBY
    if status is None:
        return PeerState.SILENT
    if status.claim or (status.is_primary and status.asterisk.state == "answers"):
        return PeerState.PRIMARY
    return PeerState.HOLDS if status.registered or status.trying else PeerState.SILENT
