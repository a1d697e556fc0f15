"""What to do with a run that a crash, a kill or a person left open. Pure: facts in, decision out.

A promotion goes on only while everything that made it safe is still so: the same boot, the same pair.toml, a peer
that is proven anew to be down or demoted, and not long ago. Otherwise this machine goes back to standby, which is
always safe, and whoever asked may begin afresh. A demotion always goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from failover.journal.entry import RunOutcome
from failover.journal.run import Run

FRESH_S: Final = 900.0
"""Seconds after its last line during which a promotion may be completed; an older one is not known to be wanted."""


class FenceProof(Enum):
    """What is proven of the peer, now."""

    PROVEN = "proven"
    """It is down, or it demoted itself and was seen to."""
    DISPROVEN = "disproven"
    """It serves, or holds a registration."""
    UNKNOWN = "unknown"


class RecoveryAction(Enum):
    """What to do with the run."""

    NOTHING = "nothing"
    CONTINUE = "continue"
    UNDO = "undo to standby"


@dataclass(frozen=True, slots=True)
class RecoveryFacts:
    """What is so at this moment.

    Attributes:
        boot_id: of this boot.
        boottime: seconds since it.
        pair_digest: of the valid pair.toml.
        fence: what is proven of the peer.
        abort: a person said --abort.
        wants: the command that was typed, or "boot".
        holds: this machine came to serve by this very run and holds its right: what is missing is completed, and going
            back to standby would take away what answers.
    """

    boot_id: str
    boottime: float
    pair_digest: str
    fence: FenceProof
    wants: str
    abort: bool = False
    holds: bool = False


@dataclass(frozen=True, slots=True)
class RecoveryDecision:
    """What is done, and the sentence that says why.

    Attributes:
        action: what.
        why: one sentence.
        ends_as: what an open run that nothing is done with is closed as.
    """

    action: RecoveryAction
    why: str
    ends_as: RunOutcome = RunOutcome.UNTOUCHED


def decide_recovery(run: Run | None, now: RecoveryFacts) -> RecoveryDecision:
    """What to do with the newest run before anything new is begun."""
    if run is None:
        return RecoveryDecision(RecoveryAction.NOTHING, "no run is open")
    if run.closed:
        return RecoveryDecision(RecoveryAction.NOTHING, f"run {run.number} is closed: {run.closing}")
    if run.command == "demote":
        return RecoveryDecision(
            RecoveryAction.CONTINUE, f"run {run.number} makes this machine standby, which is always completed"
        )
    if not run.touched:
        return RecoveryDecision(RecoveryAction.NOTHING, f"run {run.number} stopped before it touched anything")
    against = _against(run, now)
    if against and now.holds and not (run.undoing or now.abort or now.fence is FenceProof.DISPROVEN):
        why = f"run {run.number} is not gone on with, because {against}; a run of its own completes it"
        return RecoveryDecision(RecoveryAction.NOTHING, why, RunOutcome.DEGRADED)
    if against:
        return RecoveryDecision(RecoveryAction.UNDO, f"run {run.number} goes back to standby: {against}")
    return RecoveryDecision(
        RecoveryAction.CONTINUE, f"run {run.number} goes on: same boot, same pair.toml, the peer is fenced"
    )


def _against(run: Run, now: RecoveryFacts) -> str:
    """Why the run must not be completed; empty when it may."""
    if run.undoing:
        return "taking it back had begun"
    if now.abort:
        return "--abort was given"
    if now.wants != run.command:
        return f"'{now.wants}' was asked for, and it was a {run.command}"
    if now.boot_id != run.last.boot_id:
        return "this machine was started anew meanwhile, and starts as standby"
    age = now.boottime - run.last.boottime
    if not 0 <= age <= FRESH_S:
        return f"its last line is {age / 60:.0f} minutes old, and may be completed for {FRESH_S / 60:.0f}"
    if now.pair_digest != run.facts.get("pair_digest"):
        return "pair.toml is another one than it began with"
    if now.fence is FenceProof.DISPROVEN:
        return "the peer serves"
    if now.fence is FenceProof.UNKNOWN:
        return "the peer could not be proven down or demoted"
    return ""
