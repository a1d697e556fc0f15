"""A rehearsal: a promotion's own code, up to the point at which each step would change something live.

It says of every step what that proved, and what only a drill can show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from failover.checks.check import CheckResult, FindingLevel
from failover.checks.registry import run_checks
from failover.checks.views import of_step
from failover.context import Context
from failover.errors import Refused
from failover.facts.facts import Facts
from failover.facts.gather import gather_more
from failover.journal.mask import Mask
from failover.plan import planning
from failover.plan.plan import Plan
from failover.plan.planning import PlannedPromotion
from failover.probe_result import ProbeAnswer
from failover.promotion.steps import deferred_carrier_step, deferred_dns_step
from failover.steps.carrier.step import CarrierStep, ManualCarrier, step_name
from failover.steps.dns import dry_run as dns_try
from failover.steps.fence.program import run_verify
from failover.steps.proof import external_checks
from failover.steps.proof.call import CallImpossible, dial_string, require_dialplan
from host.errors import HotstandbyError
from host.exits import Exit
from host.hook import programs


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One step of a promotion that was not carried out.

    Attributes:
        step: its name.
        level: BLOCKER: a promotion would be refused, or taken back; GOOD: it would be done; anything between: the
            promotion would go on without it, and end degraded.
        proved: what was tried and seen.
        unproven: what only a drill or the real thing shows.
    """

    step: str
    level: FindingLevel
    proved: str
    unproven: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """All of it.

    Attributes:
        plan: what would be done.
        steps: in order.
    """

    plan: Plan
    steps: tuple[Rehearsed, ...]

    @property
    def exit(self) -> Exit:
        """3: it would be refused; 5: it would end degraded; 0: everything that can be tried is good."""
        if self.plan.risks or any(one.level is FindingLevel.BLOCKER for one in self.steps):
            return Exit.REFUSED
        return Exit.DEGRADED if any(one.level is not FindingLevel.GOOD for one in self.steps) else Exit.DONE

    @property
    def next(self) -> str:
        """What to type next."""
        if self.exit is Exit.DONE:
            return "failover drill, which does it"
        return "mend what is named above; then: failover drill --rehearse"


def rehearse(context: Context) -> Rehearsal:
    """Goes through a switchover to this machine without changing anything live.

    Raises:
        Refused: this machine is primary already.
    """
    made = planning.plan_promotion(context, "switchover")
    if made.serves_already:
        raise Refused(f"{context.machine} is primary already. Rehearse on {context.peer}, which would take over.")
    facts = gather_more(context, made.facts)
    results = run_checks(facts)
    found = [_fence(context, made), _localize(facts), *_dns(context, made), *_carriers(context), _proof(context, facts)]
    return Rehearsal(made.plan, tuple(_with_hooks(context, _with_findings(one, results)) for one in found))


def _with_findings(one: Rehearsed, results: Sequence[CheckResult]) -> Rehearsed:
    """With what the checks found that the step would fail by, or lack."""
    wrong = of_step(results, one.step)
    level = min((one.level, *(found.level for found in wrong)))
    # What the step's own trial saw is said once.
    said = [found.finding.text for found in wrong if found.finding.text not in one.proved]
    return replace(one, level=level, proved="; ".join([one.proved, *dict.fromkeys(said)]))


def _fence(context: Context, made: PlannedPromotion) -> Rehearsed:
    peer = made.evidence.peer
    unproven = f"that {context.peer} lets go of its accounts in time"
    if peer.status is None:
        return Rehearsed("fence", FindingLevel.BLOCKER, peer.found.words, unproven)
    proved = f"{context.peer} answers ssh, and would take a demotion for epoch {made.plan.epoch}"
    if peer.status.epoch >= made.plan.epoch or peer.status.claim:
        return Rehearsed(
            "fence", FindingLevel.BLOCKER, f"{context.peer} is at epoch {peer.status.epoch} itself", unproven
        )
    cut_off = run_verify(context, 0)
    if cut_off is not None:
        proved += f"; {cut_off.words}"
    return Rehearsed("fence", FindingLevel.GOOD, proved, unproven)


def _localize(facts: Facts) -> Rehearsed:
    unproven = f"that the carriers take the registrations from here: trying would take them from {facts.peer}"
    files, pbx = facts.files, facts.evidence.own.pbx
    if not files.generation:
        return Rehearsed("localize", FindingLevel.BLOCKER, "the files could not be rendered", unproven)
    answering = sum(one.answer is ProbeAnswer.YES for one in facts.carriers.values())
    proved = [
        f"{files.generation} rendered and read back",
        f"Asterisk {pbx.version} answers" if pbx.listed else pbx.words,
        f"{answering} of {len(facts.carriers)} carriers answer this machine",
        *files.warnings,
    ]
    return Rehearsed("localize", FindingLevel.GOOD, "; ".join(proved), unproven)


def _dns(context: Context, made: PlannedPromotion) -> Iterator[Rehearsed]:
    if context.pair.dns is None:
        return
    unproven = "that every secondary follows in time"
    try:
        step = deferred_dns_step(context, made.plan.epoch, Mask(), peer_alive=True).made()
        agrees = step.check()
        saved = step.saved()
        tried = dns_try.dry_run_updates(context)
    except HotstandbyError as error:
        yield Rehearsed("dns", FindingLevel.WARNING, str(error), unproven)
        return
    role = str(saved["role"]) or "another server's"
    proved = [f"our BIND is {role} of {context.pair.dns.zone}", *(one.words for one in tried)]
    if agrees:
        proved.append("the names point here already")
    yield Rehearsed(
        "dns",
        FindingLevel.GOOD if all(one.good for one in tried) else FindingLevel.WARNING,
        "; ".join(proved),
        unproven,
    )


def _carriers(context: Context) -> Iterator[Rehearsed]:
    for name in context.pair.carriers:
        try:
            step = deferred_carrier_step(context, name, Mask()).made()
            if isinstance(step, ManualCarrier):
                yield Rehearsed(
                    step.name, FindingLevel.GOOD, f"a person would be told: {step.words()}", "that somebody is there"
                )
                continue
            assert isinstance(step, CarrierStep)
            same = step.check()
            routes = step.saved()["routes"]
        except HotstandbyError as error:
            yield Rehearsed(step_name(name), FindingLevel.WARNING, str(error), "that routes can be set")
            continue
        assert isinstance(routes, dict)
        total = len(context.pair.carriers[name].dids) or 1
        shown = ", ".join(f"{item} is {value}" for item, value in routes.items())
        words = f"{len(routes)} of {total} routes read{': ' + shown if shown else ''}"
        if same:
            words += "; they lead here already"
        yield Rehearsed(
            step_name(name),
            FindingLevel.GOOD if len(routes) == total else FindingLevel.WARNING,
            words,
            "that routes can be set",
        )


def _proof(context: Context, facts: Facts) -> Rehearsed:
    proved, good, unproven = [], FindingLevel.GOOD, "what the world sees once this machine serves"
    if context.pair.dns is not None:
        for one in external_checks.check_resolvers(context.pair.dns, context.peer):
            proved.append(one.words)
            good = FindingLevel.WARNING if one.good is None else good
    proved += [one.words for one in facts.domino if one.good]
    if context.pair.proof is not None:
        unproven = "that the call comes in here: the carrier would bring it to the other machine now"
        try:
            require_dialplan(context.asterisk)
            proved.append(f"{dial_string(context.pair, context.machine, context.pair.proof)} would be called")
        except (CallImpossible, HotstandbyError) as error:
            proved.append(str(error))
            good = FindingLevel.WARNING
    else:
        proved.append("no call is configured ([proof] in pair.toml)")
    return Rehearsed("proof", good, "; ".join(proved), unproven)


def _with_hooks(context: Context, one: Rehearsed) -> Rehearsed:
    """Names the admin's programs that would run around the step."""
    names = [
        f"{when}-{one.step}/{path.name}"
        for when in ("before", "after")
        for path in programs(context.places.hooks / f"{when}-{one.step}")
    ]
    if not names:
        return one
    return replace(one, proved=f"{one.proved}; programs that would run: {', '.join(names)}")
