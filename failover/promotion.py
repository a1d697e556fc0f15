"""A promotion from its evidence to its end, or from where a kill left it.

What its steps are made of is loaded while the peer gets its time to answer: see _load_steps.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from failover.context import HOSTS, Context
from failover.errors import Refused
from failover.journal import journal
from failover.journal.entry import EntryKind, Json, RunOutcome
from failover.journal.journal import RunFile
from failover.journal.mask import Mask
from failover.journal.recovery import FenceProof, RecoveryAction, RecoveryDecision, RecoveryFacts, decide_recovery
from failover.journal.run import Run, StepState, load
from failover.plan import planning
from failover.plan.planning import Made
from failover.runner.progress import ProgressEvent, ProgressKind, ProgressListener, ignore_progress
from failover.runner.runner import Runner, RunResult
from failover.runner.step import DeferredStep, OnFailure, PlannedStep, Step
from failover.state import claim, fenced, local_state
from failover.steps.fence.evidence import prove_peer_down
from failover.steps.fence.step import FenceStep
from host import clock
from host.exits import Exit
from host.lock import Lock
from localized.generations.store import GenerationStore
from pair import read_secret

if TYPE_CHECKING:
    from failover.name_servers.tsig_key import TsigKey
    from failover.steps.dns.step import DnsStep

LOCK: Final = claim.LOCK


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """What a person typed.

    Attributes:
        command: promote or switchover.
        word: that the peer is down, and how they know; empty without.
        force: why they take the risks that can be taken; empty without.
        reviewed: digest of the plan that they looked at; empty without.
        abort: undo what is open.
        hosts: the file that takes the hosts block.
        drain_s: how long to wait for the peer's calls to end before anything is begun; 0 for not at all.
        handed_back: the peer asks for it, having taken its own promotion back; `word` says so.
    """

    command: str = "promote"
    word: str = ""
    force: str = ""
    reviewed: str = ""
    abort: bool = False
    hosts: Path = HOSTS
    drain_s: float = 0.0
    handed_back: bool = False


def promote(context: Context, asked: PromotionRequest, *, tell: ProgressListener = ignore_progress) -> RunResult:
    """Makes this machine primary, or completes or takes back what an earlier command left open.

    Raises:
        LockHeld: another one is at it on this machine.
        Refused: unsafe, with the evidence. JournalDamaged, JournalUnwritable, and errors of the configuration.
    """
    with Lock(context.places.run / LOCK, f"failover {asked.command} on {context.machine}"):
        found = _newest(context)
        if found is not None:
            file, run = found
            decision = _decide(context, asked, run)
            if run.command == "demote" and not run.closed:
                # A demotion is written down when it has been carried out; what a kill cut short is its telling alone.
                decision = RecoveryDecision(
                    RecoveryAction.NOTHING, "the line that says so was cut short", RunOutcome.DONE
                )
            if decision.action is RecoveryAction.CONTINUE:
                return _go_on(context, asked, file, run, decision, tell)
            if decision.action is RecoveryAction.UNDO:
                # Of a run that only asked the peer nothing here is left; a word that it is dead begins anew at once.
                anew = bool(asked.word) and not asked.abort and _only_fenced(run)
                ended = _take_back(context, asked, file, run, decision, ignore_progress if anew else tell)
                if asked.abort and ended.exit is Exit.FAILED:
                    return replace(ended, exit=Exit.DONE)
                if not anew or ended.exit is not Exit.FAILED:
                    return ended
            elif not run.closed:
                _close(context, file, run, decision.ends_as, decision.why)
        if asked.abort:
            return _nothing("Nothing is open, so nothing was taken back. Nothing to do.", tell)
        made = planning.make(context, asked.command, asked.word, meanwhile=lambda: _load_steps(context))
        drained = ""
        if asked.drain_s and not made.serves_already:
            _raise_if_unsafe(made, asked)
            from failover.demotion import drain

            drained = drain.drain_peer(context, asked.drain_s, tell).words
            # Minutes have passed: what was seen then proves nothing now.
            made = planning.make(context, asked.command, asked.word)
        return _begin(context, asked, made, tell, drained=drained)


def take_back_open(context: Context, why: str, *, tell: ProgressListener = ignore_progress) -> RunResult | None:
    """Takes back an open promotion of this machine, for a demotion; None when there is none. The lock is held."""
    found = _newest(context)
    if found is None or found[1].closed:
        return None
    file, run = found
    if not run.touched:
        _close(context, file, run, RunOutcome.UNTOUCHED, why)
        return None
    return _take_back(
        context, PromotionRequest(run.command), file, run, RecoveryDecision(RecoveryAction.UNDO, why), tell
    )


def steps(
    context: Context,
    asked: PromotionRequest,
    epoch: int,
    mask: Mask,
    *,
    made: Made | None = None,
    run: Run | None = None,
    before: Run | None = None,
) -> list[PlannedStep]:
    """The steps of a promotion: fence; localized files and registrations; DNS and the carriers side by side; proof.

    The peer is dead or demoted when the later ones come, so nothing that fails in DNS or at a carrier takes this
    machine's registrations back: somebody has to answer. Nor does anything that they lack keep the others from theirs:
    each of them is made when its turn comes.

    Args:
        made: the plan, where the run is begun now.
        run: the run, where an earlier command began it.
        before: an earlier run of the same promotion, which this one completes.
    """
    from failover.probes import fit_to_serve
    from failover.steps.localize import LocalizeStep
    from failover.steps.proof.step import ProofStep

    evidence = made.evidence if made is not None else None
    alive = evidence.peer_may_live if evidence is not None else bool(run is not None and run.facts.get("peer_answers"))
    touched = {told.name for told in run.touched} if run is not None else set()
    reason = f"{asked.command} {epoch}" + (f", {asked.word}" if asked.word else "")
    localize = LocalizeStep(
        context,
        epoch,
        reason,
        prepared=made.prepared if made is not None else None,
        hosts=asked.hosts,
        begun_before=LocalizeStep.name in touched,
        alone=not alive or bool(asked.word),
    )
    fence = FenceStep(
        context,
        epoch,
        word=asked.word,
        seen=evidence.peer if evidence is not None else None,
        more=evidence.of_peer if evidence is not None else (),
        asked_before=FenceStep.name in touched,
        handed_back=asked.handed_back,
        able=lambda: fit_to_serve.obstacles(context),
        gives_back=lambda: localize.serves_nothing,
        command=asked.command,
        make_ready=localize.make_ready,
    )
    found = [PlannedStep(fence, OnFailure.UNDO), PlannedStep(localize, OnFailure.UNDO)]
    if context.pair.dns is not None:
        dns = dns_in_turn(context, epoch, mask, peer_alive=alive)
        if (early := dns.early()) is not None:
            early.ask_parent()
        found.append(PlannedStep(dns, OnFailure.GO_ON, beside=True))
    for name in context.pair.carriers:
        found.append(PlannedStep(carrier_in_turn(context, name, mask, run or before), OnFailure.GO_ON, beside=True))
    found.append(PlannedStep(ProofStep(context), OnFailure.GO_ON))
    return found


def dns_in_turn(context: Context, epoch: int, mask: Mask, *, peer_alive: bool) -> DeferredStep[DnsStep]:
    """The DNS step, which may lack its keys."""
    return DeferredStep("dns", lambda: dns_step(context, epoch, mask, peer_alive=peer_alive))


def carrier_in_turn(context: Context, name: str, mask: Mask, run: Run | None = None) -> DeferredStep[Step]:
    """The step of one carrier, which may lack its secret, or whose preset may be of no use.

    Args:
        run: what an earlier command of this promotion left, with a person's word where they gave one.
    """
    from failover.steps.carrier.step import carrier_step, step_name

    told = run.step(step_name(name)) if run is not None else None
    confirmed = told is not None and told.progress in (StepState.CONFIRMED, StepState.VERIFIED)

    def make() -> Step:
        return carrier_step(context.places, context.pair, name, context.machine, mask, confirmed=confirmed)

    return DeferredStep(step_name(name), make)


def _load_steps(context: Context) -> None:
    """Loads what the steps are made of. It takes as long as the peer gets to answer, so it is done meanwhile."""
    needed = [
        "failover.steps.localize",
        "failover.steps.carrier.step",
        "failover.steps.proof.step",
        "failover.runner.progress_view",
    ]
    if context.pair.dns is not None:
        needed.append("failover.steps.dns.step")
    if context.pair.domino.sites or any(carrier.preset != "manual" for carrier in context.pair.carriers.values()):
        needed.append("requests")
    for name in needed:
        importlib.import_module(name)


def dns_step(context: Context, epoch: int, mask: Mask, *, peer_alive: bool) -> DnsStep:
    """The DNS step of this machine.

    Raises:
        TsigKeyUnusable, SecretUnusable
    """
    from failover.bind.named import LocalNamed
    from failover.name_servers import tsig_key
    from failover.steps.dns.step import DnsStep

    dns = context.pair.dns
    assert dns is not None

    def key(name: str | None) -> TsigKey | None:
        if name is None:
            return None
        found = tsig_key.parse_tsig_key(read_secret(context.places, name), str(context.places.secrets / name))
        mask.hide(found.secret)
        return found

    return DnsStep(
        dns,
        context.machine,
        epoch,
        named=LocalNamed.of(dns),
        store=GenerationStore(context.places),
        key=key(dns.key_file) if dns.method == "update" or dns.view else None,
        notify_key=key(dns.notify_key_file),
        dead=() if peer_alive else (context.peer,),
        peer=context.peer,
    )


def _raise_if_unsafe(made: Made, asked: PromotionRequest) -> None:
    made.plan.raise_if_unsafe(force=asked.force)
    if asked.reviewed:
        made.plan.raise_unless_reviewed(asked.reviewed)


def _begin(
    context: Context, asked: PromotionRequest, made: Made, tell: ProgressListener, *, drained: str = ""
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
        before = next((run for _, run in _runs(context) if run.epoch == plan.epoch), None)
    planned = steps(context, replace(asked, word=word), plan.epoch, mask, made=made, before=before)
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
    planned = steps(context, again, run.epoch, mask, run=run)
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
    planned = steps(context, PromotionRequest(run.command, hosts=asked.hosts), run.epoch, mask, run=run)
    written = journal.reopen(file, machine=context.machine, epoch=run.epoch, mask=mask)
    return _runner(context, written, mask, tell, planned).take_back(planned, decision.why)


def _decide(context: Context, asked: PromotionRequest, run: Run) -> RecoveryDecision:
    """The fence is asked for anew only where the answer counts: it takes seconds when the peer is dead."""

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
    if _only_fenced(run):
        # Nothing here has changed yet, and the step itself asks the peer again.
        return decision
    return decide_recovery(run, now(prove_peer_down(context, word=asked.word or str(run.facts.get("word", ""))).proof))


def _only_fenced(run: Run) -> bool:
    return all(step.name == FenceStep.name for step in run.touched)


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


def _newest(context: Context) -> tuple[RunFile, Run] | None:
    """The newest run that was more than an empty file."""
    return next(_runs(context), None)


def _runs(context: Context) -> Iterator[tuple[RunFile, Run]]:
    """The runs that were more than an empty file, the newest first."""
    for file in reversed(journal.files(journal.directory(context.places))):
        if (run := load(file)) is not None:
            yield file, run


def _close(context: Context, file: RunFile, run: Run, outcome: RunOutcome, why: str) -> None:
    written = journal.reopen(file, machine=context.machine, epoch=run.epoch)
    written.end_run(outcome, why)
    written.close()


def confirm(context: Context, name: str, words: str) -> str:
    """Notes a person's word that an open step is done.

    Returns: the sentence for them.

    Raises:
        Refused: no such step waits.
    """
    with Lock(context.places.run / LOCK, f"failover confirm on {context.machine}"):
        found = _newest(context)
        waiting = _confirmable(found[1]) if found is not None else {}
        if found is None or name not in waiting:
            known = ", ".join(waiting) or "none"
            raise Refused(f"No step '{name}' waits for a person; waiting: {known}. See: failover history")
        file, run = found
        written = journal.reopen(file, machine=context.machine, epoch=run.epoch)
        user = words or f"confirmed at {datetime.now().astimezone():%H:%M:%S}"
        written.append(EntryKind.CONFIRMED, name, user)
        written.close()
        left = [step for step in waiting if step != name]
    rest = f"Still waiting: {', '.join(left)}." if left else "No other waits for a person."
    return f"{name} of run {run.number} is confirmed. {rest}"


def _confirmable(run: Run) -> Mapping[str, StepState]:
    """Steps whose work a person can do instead: the carriers'."""
    states: Sequence[StepState] = (StepState.OPEN, StepState.FAILED)
    return {
        step.name: step.progress for step in run.steps if step.progress in states and step.name.startswith("carrier-")
    }
