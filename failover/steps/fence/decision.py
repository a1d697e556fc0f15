"""What becomes of a promotion whose peer was asked to demote itself: on, refused, another look, or stopped half-way.

Rules only. What they hold to: nobody goes on beside a machine that may serve; and nobody says "refused, nothing
changed" of a peer that may have demoted itself meanwhile, for then both would be standby and nobody would answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from failover.peer.messages import Status


class Reply(Enum):
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


class Seen(Enum):
    """What the peer says of itself, looked at afterwards."""

    STANDBY = "standby"
    """Proven down or demoted, by itself, by the admin's program or by a person's word."""
    PRIMARY = "primary"
    """It holds the right and its Asterisk answers, or it is being promoted itself."""
    HOLDS = "holds"
    """No longer primary, and its Asterisk still has shared accounts."""
    SILENT = "silent"
    """It cannot be asked, or what it says proves neither."""


class Verdict(Enum):
    """What to do."""

    GO_ON = "go on"
    REFUSE = "refuse"
    """It provably serves, or it was never asked: nothing changed."""
    LOOK_AGAIN = "look again"
    STOP = "stop"
    """It may have demoted itself: the journal stays open, and the same command looks again."""


_GO_ON: Final = (Verdict.GO_ON, Verdict.GO_ON)
_REFUSE: Final = (Verdict.REFUSE, Verdict.REFUSE)
_LOOK_THEN_REFUSE: Final = (Verdict.LOOK_AGAIN, Verdict.REFUSE)
_LOOK_THEN_STOP: Final = (Verdict.LOOK_AGAIN, Verdict.STOP)

TABLE: Final[Mapping[tuple[Reply, Seen], tuple[Verdict, Verdict]]] = {
    **{(reply, Seen.STANDBY): _GO_ON for reply in Reply},
    (Reply.NOT_ASKED, Seen.PRIMARY): _REFUSE,
    (Reply.NOT_ASKED, Seen.HOLDS): _LOOK_THEN_REFUSE,
    (Reply.NOT_ASKED, Seen.SILENT): _LOOK_THEN_REFUSE,
    # Primary again after it had demoted itself: somebody promoted it, and that is newer.
    (Reply.PROVEN, Seen.PRIMARY): _REFUSE,
    (Reply.PROVEN, Seen.HOLDS): _LOOK_THEN_STOP,
    # Its proof is seconds old, and it takes the right of no promotion up to this one any more (claim.promise).
    (Reply.PROVEN, Seen.SILENT): _GO_ON,
    (Reply.TRIED, Seen.PRIMARY): _REFUSE,
    (Reply.TRIED, Seen.HOLDS): _LOOK_THEN_STOP,
    (Reply.TRIED, Seen.SILENT): _LOOK_THEN_STOP,
    (Reply.REFUSED, Seen.PRIMARY): _REFUSE,
    (Reply.REFUSED, Seen.HOLDS): _REFUSE,
    # Only a program of the admin's can still show that it is down.
    (Reply.REFUSED, Seen.SILENT): _LOOK_THEN_REFUSE,
    # What was asked may be on its way still: it counts as not done when its time has passed.
    (Reply.LOST, Seen.PRIMARY): _LOOK_THEN_REFUSE,
    (Reply.LOST, Seen.HOLDS): _LOOK_THEN_STOP,
    (Reply.LOST, Seen.SILENT): _LOOK_THEN_STOP,
}
"""What to do while there is time, and when it has passed."""


def verdict(reply: Reply, seen: Seen, *, settled: bool) -> Verdict:
    """What to do.

    Args:
        settled: whatever was asked for has come to its end by now, whichever it is.
    """
    return TABLE[reply, seen][settled]


def seen(status: Status | None, *, proven: bool) -> Seen:
    """What a look amounts to.

    Args:
        status: what the peer said of itself; None where it could not be asked.
        proven: it is proven down or demoted.
    """
    if proven:
        return Seen.STANDBY
    if status is None:
        return Seen.SILENT
    if status.claim or (status.is_primary and status.asterisk.state == "answers"):
        return Seen.PRIMARY
    return Seen.HOLDS if status.registered or status.trying else Seen.SILENT
