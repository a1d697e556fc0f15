"""A rehearsal: a promotion's own code, up to the point at which each step would change something live.

It says of every step what that proved, and what only a drill can show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ami_watcher.registrations.expected import expected_registrations
from failover.checks.read_ready import ask_registrars
from failover.context import Context
from failover.errors import Refused
from failover.journal.mask import Mask
from failover.peer.remote import Peer
from failover.plan import planning
from failover.plan.plan import Plan
from failover.plan.planning import Made
from failover.probe_result import ProbeResult
from failover.probes import own_asterisk
from failover.promotion.steps import deferred_carrier_step, deferred_dns_step
from failover.steps.carrier.step import CarrierStep, ManualCarrier, step_name
from failover.steps.dns import dry_run as dns_try
from failover.steps.fence.program import run_verify
from failover.steps.proof import external_checks as proof_look
from failover.steps.proof.call import CallImpossible, dial_string, require_dialplan
from host.errors import HotstandbyError
from host.exits import Exit
from host.hook import programs
from localized.checks.problem import Severity


class Good(Enum):
    """How a rehearsed step stands."""

    YES = "ok"
    LATER = "open"
    """A promotion would go on without it, and end degraded."""
    NO = "FAILED"
    """A promotion would be refused, or taken back."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One step of a promotion that was not carried out.

    Attributes:
        step: its name.
        good: how it stands.
        proved: what was tried and seen.
        unproven: what only a drill or the real thing shows.
    """

    step: str
    good: Good
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
        if self.plan.risks or any(one.good is Good.NO for one in self.steps):
            return Exit.REFUSED
        return Exit.DEGRADED if any(one.good is Good.LATER for one in self.steps) else Exit.DONE

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
    made = planning.make(context, "switchover")
    if made.serves_already:
        raise Refused(f"{context.machine} is primary already. Rehearse on {context.peer}, which would take over.")
    registrars = ask_registrars(context)
    found = [
        _fence(context, made),
        _localize(context, made, registrars),
        *_dns(context, made),
        *_carriers(context),
        _proof(context),
    ]
    return Rehearsal(made.plan, tuple(_with_hooks(context, one) for one in found))


def _fence(context: Context, made: Made) -> Rehearsed:
    peer = made.evidence.peer
    unproven = f"that {context.peer} lets go of its accounts in time"
    if peer.status is None:
        return Rehearsed("fence", Good.NO, peer.found.words, unproven)
    proved = f"{context.peer} answers ssh, and would take a demotion for epoch {made.plan.epoch}"
    if peer.status.epoch >= made.plan.epoch or peer.status.claim:
        return Rehearsed("fence", Good.NO, f"{context.peer} is at epoch {peer.status.epoch} itself", unproven)
    cut_off = run_verify(context, 0)
    if cut_off is not None:
        proved += f"; {cut_off.words}"
    return Rehearsed("fence", Good.YES, proved, unproven)


def _localize(context: Context, made: Made, registrars: dict[str, ProbeResult]) -> Rehearsed:
    unproven = f"that the carriers take the registrations from here: trying would take them from {context.peer}"
    stops = [risk.words for risk in made.plan.risks if risk.name == "generation"]
    if made.prepared is None or stops:
        return Rehearsed("localize", Good.NO, "; ".join(stops) or "the files could not be rendered", unproven)
    lists, unread = own_asterisk.read_lists(context)
    if lists is None:
        return Rehearsed("localize", Good.NO, f"Asterisk's lists cannot be read: {unread}", unproven)
    trunks = [one for one in expected_registrations(context.pair, context.machine, "primary") if one.here]
    absent = sorted({one.channel for one in trunks} - lists.modules)
    if absent:
        return Rehearsed("localize", Good.NO, f"Asterisk has not loaded what registers {', '.join(absent)}", unproven)
    proved = f"{made.prepared.generation.name} rendered and read back; Asterisk {lists.version} answers"
    told = [str(one) for one in made.prepared.problems if one.weight is Severity.WARNING]
    silent = [found.words for name, found in registrars.items() if not found.answer.alive]
    asked = len(registrars)
    proved += f"; {asked - len(silent)} of {asked} carriers answer this machine"
    secrets = Peer(context).secrets()
    differ = [f"{path} is another one than {context.peer}'s" for path in secrets.grave if path.startswith("trunks.")]
    if secrets.unknown:
        differ.append(f"whether {context.peer} has the same secrets is not known: {secrets.unknown}")
    good = Good.LATER if silent or differ else Good.YES
    return Rehearsed("localize", good, "; ".join([proved, *dict.fromkeys(silent), *differ, *told]), unproven)


def _dns(context: Context, made: Made) -> Iterator[Rehearsed]:
    if context.pair.dns is None:
        return
    unproven = "that every secondary follows in time"
    try:
        step = deferred_dns_step(context, made.plan.epoch, Mask(), peer_alive=True).made()
        agrees = step.check()
        saved = step.saved()
        tried = dns_try.dry_run_updates(context)
    except HotstandbyError as error:
        yield Rehearsed("dns", Good.LATER, str(error), unproven)
        return
    role = str(saved["role"]) or "another server's"
    proved = [f"our BIND is {role} of {context.pair.dns.zone}", *(one.words for one in tried)]
    if agrees:
        proved.append("the names point here already")
    yield Rehearsed("dns", Good.YES if all(one.good for one in tried) else Good.LATER, "; ".join(proved), unproven)


def _carriers(context: Context) -> Iterator[Rehearsed]:
    for name in context.pair.carriers:
        try:
            step = deferred_carrier_step(context, name, Mask()).made()
            if isinstance(step, ManualCarrier):
                yield Rehearsed(
                    step.name, Good.YES, f"a person would be told: {step.words()}", "that somebody is there"
                )
                continue
            assert isinstance(step, CarrierStep)
            same = step.check()
            routes = step.saved()["routes"]
        except HotstandbyError as error:
            yield Rehearsed(step_name(name), Good.LATER, str(error), "that routes can be set")
            continue
        assert isinstance(routes, dict)
        total = len(context.pair.carriers[name].dids) or 1
        shown = ", ".join(f"{item} is {value}" for item, value in routes.items())
        words = f"{len(routes)} of {total} routes read{': ' + shown if shown else ''}"
        if same:
            words += "; they lead here already"
        yield Rehearsed(
            step_name(name), Good.YES if len(routes) == total else Good.LATER, words, "that routes can be set"
        )


def _proof(context: Context) -> Rehearsed:
    proved, good, unproven = [], Good.YES, "what the world sees once this machine serves"
    if context.pair.dns is not None:
        for one in proof_look.check_resolvers(context.pair.dns, context.peer):
            proved.append(one.words)
            good = Good.LATER if one.good is None else good
    for one in proof_look.check_domino(context):
        proved.append(one.words)
        good = good if one.good else Good.LATER
    if context.pair.proof is not None:
        unproven = "that the call comes in here: the carrier would bring it to the other machine now"
        try:
            require_dialplan(context.asterisk)
            proved.append(f"{dial_string(context.pair, context.machine, context.pair.proof)} would be called")
        except (CallImpossible, HotstandbyError) as error:
            proved.append(str(error))
            good = Good.LATER
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
    return Rehearsed(one.step, one.good, f"{one.proved}; programs that would run: {', '.join(names)}", one.unproven)
