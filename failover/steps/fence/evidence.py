"""What is proven of the peer: by its own word, by the admin's program, by a person's word."""

from __future__ import annotations

from dataclasses import dataclass

from failover.context import Context
from failover.journal.recovery import FenceProof
from failover.peer.remote import Peer, PeerEvidence
from failover.steps.fence.program import VerifyResult, run_verify
from host.printable import printable


@dataclass(frozen=True, slots=True)
class FenceEvidence:
    """What is proven of the peer.

    Attributes:
        proof: of its being down or demoted.
        words: the evidence, one sentence.
    """

    proof: FenceProof
    words: str


def judge_peer(asked: PeerEvidence, cut_off: VerifyResult | None, word: str) -> FenceEvidence:
    """What the evidence amounts to.

    Args:
        asked: the peer's status, or how asking for it went.
        cut_off: the admin's program; None where there is none.
        word: a person's, that the peer is down; empty without one.
    """
    status = asked.status
    if status is not None and status.claim:
        return FenceEvidence(
            FenceProof.DISPROVEN, f"{status.machine} is being promoted itself, with epoch {status.claim}"
        )
    if status is not None and status.registered:
        return FenceEvidence(FenceProof.DISPROVEN, f"{status.machine} holds {', '.join(status.registered)}")
    if status is not None and status.serves:
        return FenceEvidence(FenceProof.DISPROVEN, f"{status.machine} is primary and its Asterisk answers")
    if status is not None and status.proven_standby:
        return FenceEvidence(FenceProof.PROVEN, f"{status.why}; {status.asterisk.words}")
    if cut_off is not None and cut_off.proven:
        return FenceEvidence(FenceProof.PROVEN, cut_off.words)
    if word:
        return FenceEvidence(FenceProof.PROVEN, f"a person's word: {printable(word)} ({asked.found.words})")
    return FenceEvidence(
        FenceProof.UNKNOWN, asked.found.words if cut_off is None else f"{asked.found.words}; {cut_off.words}"
    )


def prove_peer_down(context: Context, *, word: str = "") -> FenceEvidence:
    """What is proven of the peer at this moment; changes nothing. About 2 s when it is dead."""
    return judge_peer(Peer(context).probe_status(), run_verify(context, 0), word)
