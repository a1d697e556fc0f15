"""What becomes of a run that an earlier command left open: it goes on, is taken back, or nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator

from failover.context import Context
from failover.journal import journal
from failover.journal.entry import RunOutcome
from failover.journal.journal import RunFile
from failover.journal.recovery import FenceProof, RecoveryAction, RecoveryDecision, RecoveryFacts, decide_recovery
from failover.journal.run import Run, StepState, runs_newest_first
from failover.promotion.request import PromotionRequest
from failover.state import local_state
from failover.steps.fence.evidence import prove_peer_down
from failover.steps.fence.step import FenceStep
from host import clock


def newest_run(context: Context) -> tuple[RunFile, Run] | None:
    """The newest run that was more than an empty file."""
    return next(runs(context), None)


def runs(context: Context) -> Iterator[tuple[RunFile, Run]]:
    """The runs that were more than an empty file, the newest first."""
    return runs_newest_first(journal.directory(context.places))


def decide_open_run(context: Context, asked: PromotionRequest, run: Run) -> RecoveryDecision:
    """What becomes of the newest run, now that `asked` was typed.

    The fence is asked for anew only where the answer counts: it takes seconds when the peer is dead.
    """
    known = local_state.read_state(context.places, context.machine)
    localized = run.step("localize")
    served = localized is not None and localized.progress in (StepState.OPEN, StepState.VERIFIED)
    holds = served and known.is_primary and known.right.epoch == run.epoch

    def now(fence: FenceProof) -> RecoveryFacts:
        boot, at, digest = clock.boot_id(), clock.boottime(), context.pair.digest
        return RecoveryFacts(boot, at, digest, fence, asked.command, abort=asked.abort, holds=holds)

    decision = decide_recovery(run, now(FenceProof.PROVEN))
    if decision.action is not RecoveryAction.CONTINUE or run.command == "demote":
        return decision
    if only_fenced(run):
        # Nothing here has changed yet, and the step itself asks the peer again.
        return decision
    return decide_recovery(run, now(prove_peer_down(context, word=asked.word or str(run.facts.get("word", ""))).proof))


def only_fenced(run: Run) -> bool:
    """Whether it touched nothing but the peer: here nothing is left of it."""
    return all(step.name == FenceStep.name for step in run.touched)


def close_run(context: Context, file: RunFile, run: Run, outcome: RunOutcome, why: str) -> None:
    """Writes its end into its journal."""
    written = journal.reopen(file, machine=context.machine, epoch=run.epoch)
    written.end_run(outcome, why)
    written.close()
