"""What a promotion consists of: its steps, in order, and what the failure of each means for the run."""

from __future__ import annotations

from failover.bind.named import LocalNamed
from failover.context import Context
from failover.journal.mask import Mask
from failover.journal.run import Run, StepState
from failover.plan.planning import PlannedPromotion
from failover.probes import fit_to_serve
from failover.promotion.request import PromotionRequest
from failover.runner.step import DeferredStep, OnFailure, PlannedStep, Step
from failover.steps.carrier.step import carrier_step, step_name
from failover.steps.dns.step import DnsStep
from failover.steps.fence.step import FenceStep
from failover.steps.localize import LocalizeStep
from failover.steps.proof.step import ProofStep
from localized.generations.store import GenerationStore
from pair.tsig_key import TsigKey, read_tsig_key


def promotion_steps(
    context: Context,
    asked: PromotionRequest,
    epoch: int,
    mask: Mask,
    *,
    made: PlannedPromotion | None = None,
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
        dns = deferred_dns_step(context, epoch, mask, peer_alive=alive)
        if (early := dns.early()) is not None:
            early.ask_parent()
        found.append(PlannedStep(dns, OnFailure.GO_ON, beside=True))
    for name in context.pair.carriers:
        found.append(
            PlannedStep(deferred_carrier_step(context, name, mask, run or before), OnFailure.GO_ON, beside=True)
        )
    found.append(PlannedStep(ProofStep(context), OnFailure.GO_ON))
    return found


def deferred_dns_step(context: Context, epoch: int, mask: Mask, *, peer_alive: bool) -> DeferredStep[DnsStep]:
    """The DNS step, which may lack its keys."""
    return DeferredStep("dns", lambda: dns_step(context, epoch, mask, peer_alive=peer_alive))


def deferred_carrier_step(context: Context, name: str, mask: Mask, run: Run | None = None) -> DeferredStep[Step]:
    """The step of one carrier, which may lack its secret, or whose preset may be of no use.

    Args:
        run: what an earlier command of this promotion left, with a person's word where they gave one.
    """

    told = run.step(step_name(name)) if run is not None else None
    confirmed = told is not None and told.progress in (StepState.CONFIRMED, StepState.VERIFIED)

    def make() -> Step:
        return carrier_step(context.places, context.pair, name, context.machine, mask, confirmed=confirmed)

    return DeferredStep(step_name(name), make)


def dns_step(context: Context, epoch: int, mask: Mask, *, peer_alive: bool) -> DnsStep:
    """The DNS step of this machine.

    Raises:
        TsigKeyUnusable, SecretUnusable
    """

    dns = context.pair.dns
    assert dns is not None

    def key(name: str | None) -> TsigKey | None:
        if name is None:
            return None
        found = read_tsig_key(context.places, name)
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
