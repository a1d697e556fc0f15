"""Carries a promotion out: from its evidence to its end, or from where a kill left it.

What its steps are made of is loaded while the peer gets its time to answer: see _load_steps.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace

from failover.context import Context
from failover.journal import journal
from failover.journal.entry import EntryKind, Json, RunOutcome
from failover.journal.journal import RunFile
from failover.journal.mask import Mask
from failover.journal.recovery import RecoveryAction, RecoveryDecision
from failover.journal.run import Run
from failover.plan import planning
from failover.plan.planning import PlannedPromotion
from failover.promotion.open_run import close_run, decide_open_run, newest_run, only_fenced, runs
from failover.promotion.request import PromotionRequest
from failover.runner.progress import ProgressEvent, ProgressKind, ProgressListener, ignore_progress
from failover.runner.runner import Runner, RunResult
from failover.runner.step import PlannedStep
from failover.state import claim, fenced, local_state
from failover.steps.fence.step import FenceStep
from host.exits import Exit
from host.lock import Lock


def promote(context: Context, asked: PromotionRequest, *, tell: ProgressListener = ignore_progress) -> RunResult:
    """Makes this machine primary, or completes or takes back what an earlier command left open.

    Raises:
        LockHeld: another one is at it on this machine.
        Refused: unsafe, with the evidence. JournalDamaged, JournalUnwritable, and errors of the configuration.
    """
    with Lock(context.places.run / claim.LOCK, f"failover {asked.command} on {context.machine}"):
        found = newest_run(context)
        if found is not None:
            file, run = found
            decision = decide_open_run(context, asked, run)
            if run.command == "demote" and not run.closed:
                # A demotion is written down when it has been carried out; what a kill cut short is its telling alone.
                decision = RecoveryDecision(
                    RecoveryAction.NOTHING, "the line that says so was cut short", RunOutcome.DONE
                )
            if decision.action is RecoveryAction.CONTINUE:
                return _go_on(context, asked, file, run, decision, tell)
            if decision.action is RecoveryAction.UNDO:
                # Of a run that only asked the peer nothing here is left; a word that it is dead begins anew at once.
                anew = bool(asked.word) and not asked.abort and only_fenced(run)
                ended = _take_back(context, asked, file, run, decision, ignore_progress if anew else tell)
                if asked.abort and ended.exit is Exit.FAILED:
                    return replace(ended, exit=Exit.DONE)
                if not anew or ended.exit is not Exit.FAILED:
                    return ended
            elif not run.closed:
                close_run(context, file, run, decision.ends_as, decision.why)
        if asked.abort:
            return _nothing("Nothing is open, so nothing was taken back. Nothing to do.", tell)
        made = planning.plan_promotion(context, asked.command, asked.word, meanwhile=lambda: _load_steps(context))
        drained = ""
        if asked.drain_s and not made.serves_already:
            _raise_if_unsafe(made, asked)
            drained = _drain_peer(context, asked.drain_s, tell)
            # Minutes have passed: what was seen then proves nothing now.
            made = planning.plan_promotion(context, asked.command, asked.word)
        return _begin(context, asked, made, tell, drained=drained)


def take_back_open(context: Context, why: str, *, tell: ProgressListener = ignore_progress) -> RunResult | None:
    """Takes back an open promotion of this machine, for a demotion; None when there is none. The lock is held."""
    found = newest_run(context)
    if found is None or found[1].closed:
        return None
    file, run = found
    if not run.touched:
        close_run(context, file, run, RunOutcome.UNTOUCHED, why)
        return None
    return _take_back(
        context, PromotionRequest(run.command), file, run, RecoveryDecision(RecoveryAction.UNDO, why), tell
    )


def _steps(
    context: Context,
    asked: PromotionRequest,
    epoch: int,
    mask: Mask,
    *,
    made: PlannedPromotion | None = None,
    run: Run | None = None,
    before: Run | None = None,
) -> list[PlannedStep]:
    # For the time to start: DNS, AMI and HTTP take 0.3 s to load, in which the peer can be asked (see _load_steps).
    from failover.promotion.steps import promotion_steps

    return promotion_steps(context, asked, epoch, mask, made=made, run=run, before=before)


def _load_steps(context: Context) -> None:
    """Loads what the steps are made of. It takes as long as the peer gets to answer, so it is done meanwhile."""
    needed = ["failover.promotion.steps", "failover.runner.progress_view"]
    if context.pair.domino.sites or any(carrier.preset != "manual" for carrier in context.pair.carriers.values()):
        needed.append("requests")
    for name in needed:
        importlib.import_module(name)


def _drain_peer(context: Context, limit_s: float, tell: ProgressListener) -> str:
    # For the time to start, as above: AMI.
    from failover.demotion import drain

    return drain.drain_peer(context, limit_s, tell).words


def _raise_if_unsafe(made: PlannedPromotion, asked: PromotionRequest) -> None:
    made.plan.raise_if_unsafe(force=asked.force)
    if asked.reviewed:
        made.plan.raise_unless_reviewed(asked.reviewed)


def _begin(
    context: Context, asked: PromotionRequest, made: PlannedPromotion, tell: ProgressListener, *, drained: str = ""
) -> RunResult:
    plan = made.plan
    known = local_state.read_state(context.places, context.machine)
    if made.serves_already and not made.degraded:
        return _nothing(f"{known.why}. Nothing to do.", tell)
    _raise_if_unsafe(made, asked)
    mask = Mask()
    word, before = asked.word, None
    if made.serves_already:
        # What an earlier command left is completed: the same promotion, fenced then, and what people did since holds.
        word = word or f"{known.why}, and its peer gave way or was down then"
        before = next((run for _, run in runs(context) if run.epoch == plan.epoch), None)
    planned = _steps(context, replace(asked, word=word), plan.epoch, mask, made=made, before=before)
    written = journal.create(
        journal.directory(context.places), asked.command, machine=context.machine, epoch=plan.epoch, mask=mask
    )
    facts: dict[str, Json] = {
        "pair_digest": context.pair.digest,
        "peer": context.peer,
        "plan": plan.digest,
        "word": word,
        "force": asked.force,
        "forced": [risk.name for risk in plan.risks] if asked.force else [],
        "peer_answers": made.evidence.peer_may_live,
        "evidence": [mask(one.words) for one in plan.evidence],
    }
    words = f"{asked.command} of {context.machine}" + (f"; forced: {asked.force}" if asked.force else "")
    words += f"; {drained}" if drained else ""
    written.append(EntryKind.OPENED, words=words, data=facts)
    return _runner(context, written, mask, tell, planned).carry_out(planned)


def _nothing(words: str, tell: ProgressListener) -> RunResult:
    tell(ProgressEvent(ProgressKind.ENDED, "", words, 0.0))
    return RunResult(Exit.DONE, words, (), 0.0)


def _go_on(
    context: Context,
    asked: PromotionRequest,
    file: RunFile,
    run: Run,
    decision: RecoveryDecision,
    tell: ProgressListener,
) -> RunResult:
    mask = Mask()
    again = PromotionRequest(run.command, word=asked.word or str(run.facts.get("word", "")), hosts=asked.hosts)
    planned = _steps(context, again, run.epoch, mask, run=run)
    written = journal.reopen(file, machine=context.machine, epoch=run.epoch, mask=mask)
    written.append(EntryKind.RESUMED, words=decision.why)
    return _runner(context, written, mask, tell, planned).carry_out(planned)


def _take_back(
    context: Context,
    asked: PromotionRequest,
    file: RunFile,
    run: Run,
    decision: RecoveryDecision,
    tell: ProgressListener,
) -> RunResult:
    mask = Mask()
    planned = _steps(context, PromotionRequest(run.command, hosts=asked.hosts), run.epoch, mask, run=run)
    written = journal.reopen(file, machine=context.machine, epoch=run.epoch, mask=mask)
    return _runner(context, written, mask, tell, planned).take_back(planned, decision.why)


def _runner(
    context: Context, written: journal.Journal, mask: Mask, tell: ProgressListener, planned: Sequence[PlannedStep]
) -> Runner:
    before = fenced.read_fence(context.places)
    fences = [entry.step for entry in planned if isinstance(entry.step, FenceStep)]

    def guard() -> str:
        """A demotion that came meanwhile waits for nobody and wins."""
        if (gave := claim.promised_epoch(context.places)) >= written.epoch:
            return f"{context.machine} gave way to its peer's promotion {gave}"
        now = fenced.read_fence(context.places)
        return f"{context.machine} was fenced meanwhile: {now.reason}" if now is not None and now != before else ""

    def parting() -> str:
        return " ".join(fence.parting for fence in fences)

    return Runner(written, hooks=context.places.hooks, tell=tell, mask=mask, guard=guard, parting=parting)
