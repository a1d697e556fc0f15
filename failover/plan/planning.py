"""Gathers what a plan is made of. Looks, renders both roles to disk as always, and changes nothing that serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from failover.checks.registry import run_checks
from failover.checks.views import risks
from failover.context import Context
from failover.facts.facts import Facts
from failover.facts.gather_plan import facts_of_plan, files_of
from failover.facts.newest_run import newest_run
from failover.journal import journal
from failover.journal.entry import EntryKind, RunOutcome
from failover.journal.run import load
from failover.plan.plan import Plan, StepPreview
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import Evidence, gather_evidence
from failover.state import proven_secrets
from host.durations import lasting
from host.errors import HotstandbyError
from localized.errors import LocalizedError
from localized.prepare import PreparedGeneration, prepare_or_last
from localized.role import Role
from pair import Pair
from pair.public_role import FAR, Believed

USUAL_S: Final = {"fence": 3.0, "localize": 3.0, "dns": 2.0, "proof": 0.5}
"""Seconds, where no earlier run tells better."""
CARRIER_S: Final = 2.0
_RUNS: Final = 5
"""Earlier runs that are looked at."""


@dataclass(frozen=True, slots=True)
class PlannedPromotion:
    """A plan and what it was made from.

    Attributes:
        plan: the value.
        facts: what was seen.
        prepared: the primary generation; None where it could not be rendered.
        degraded: the newest run here ended with something missing.
    """

    plan: Plan
    facts: Facts
    prepared: PreparedGeneration | None
    degraded: bool

    @property
    def evidence(self) -> Evidence:
        """Of the peer, the name servers and this machine's Asterisk."""
        return self.facts.evidence

    @property
    def serves_already(self) -> bool:
        """This machine is primary, and no public record says otherwise: what is missing is completed."""
        return self.facts.serves


def plan_promotion(
    context: Context, command: str, word: str = "", *, meanwhile: Callable[[], object] = lambda: None
) -> PlannedPromotion:
    """The plan for making this machine primary.

    Args:
        meanwhile: done while the others are waited for: anything that changes nothing.
    """
    prepared: PreparedGeneration | None = None
    failure = ""
    with ThreadPoolExecutor(1) as pool:
        # Asking is waiting, mostly; the files are rendered meanwhile.
        asking = pool.submit(gather_evidence, context, hurry=bool(word))
        try:
            prepared = prepare_or_last(context.places, context.pair, context.machine, Role.PRIMARY)
        except (LocalizedError, HotstandbyError) as error:
            failure = str(error)
        passwords = taken_passwords(context)
        meanwhile()
        seen = asking.result()
    files = files_of(
        context,
        prepared.generation if prepared is not None else None,
        prepared.problems if prepared is not None else (),
        failure=failure,
    )
    now = datetime.now().astimezone()
    facts, sync = facts_of_plan(context, seen, files, now=now, command=command, word=word)
    serves = facts.serves
    plan = Plan(
        command=command,
        machine=context.machine,
        peer=context.peer,
        epoch=facts.right_epoch if serves and facts.right_epoch else 1 + facts.counted.epoch,
        pair_digest=context.pair.digest,
        steps=steps(context, took(context), word=word, demotable=seen.peer.status is not None),
        risks=risks(run_checks(facts)),
        evidence=(
            *seen.of_peer,
            *(one.found for one in seen.servers),
            *left_out(facts.counted, facts.epoch),
            seen.own.found,
            seen.clock,
            passwords,
            sync,
        ),
    )
    return PlannedPromotion(plan, facts, prepared, _degraded(context))


def taken_passwords(context: Context) -> ProbeResult:
    """Which shared accounts' present passwords a carrier was seen to take from here, as evidence."""
    kept = proven_secrets.last(context.places, context.pair, context.machine)
    trunks = {name: context.pair.trunk_on(name, context.machine) for name in context.pair.trunks}
    new = sorted(name for name, one in trunks.items() if one.register_ and one.account == "shared" and name not in kept)
    more = f" and {len(new) - 5} more" if len(new) > 5 else ""
    words = f"no carrier was seen to take, from here, the present password of {', '.join(new[:5])}{more}"
    if not new:
        words = f"carriers took every present password from here, the oldest {_ago(kept)}"
    return ProbeResult(
        "secrets", context.machine, proven_secrets.FILE, ProbeAnswer.UNKNOWN if new else ProbeAnswer.YES, words, 0.0
    )


def _ago(kept: Mapping[str, float]) -> str:
    return f"{lasting(max(0.0, time.time() - min(kept.values())))} ago" if kept else "none is used"


def left_out(counted: Believed, known: int) -> tuple[ProbeResult, ...]:
    """Evidence about each number that is not believed."""
    return tuple(
        ProbeResult(
            "epoch",
            name,
            "the number of the last promotion",
            ProbeAnswer.ODD,
            f"{name} tells promotion {epoch}, and {known} is known here: nobody else tells one near it"
            f" ({FAR} is near), so it is left out",
            0.0,
        )
        for name, epoch in sorted(counted.left_out.items())
    )


def _degraded(context: Context) -> bool:
    run = newest_run(context)
    return run is not None and run.outcome is RunOutcome.DEGRADED


def steps(context: Context, took_s: dict[str, float], *, word: str, demotable: bool) -> tuple[StepPreview, ...]:
    """What would be done, for people."""
    from failover.steps.carrier.preset import load_preset
    from failover.steps.carrier.step import step_name

    pair, machine, peer = context.pair, context.machine, context.peer
    shared = [name for name in pair.trunks if pair.trunk_on(name, machine).register_]
    if demotable:
        how = f"ask {peer} to demote itself"
    elif pair.fence is not None:
        how = f"cut {peer} off with {pair.fence.command[0]}"
    else:
        how = f"take a person's word that {peer} is down" if word else f"ask {peer} to demote itself, if it answers"
    found = [
        StepPreview("fence", how, f"{peer} provably registers nothing", took_s.get("fence", USUAL_S["fence"])),
        StepPreview(
            "localize",
            f"activate the primary files of {machine} and register {', '.join(shared) or 'nothing'}",
            "Asterisk's own lists",
            took_s.get("localize", USUAL_S["localize"]),
        ),
    ]
    if pair.dns is not None:
        names = ", ".join(f"{name} to {by[machine]}" for name, by in pair.dns.follow.items())
        found.append(
            StepPreview(
                "dns",
                f"point {names} in {pair.dns.zone}, by {pair.dns.method}",
                "every name server that the parent delegates to, at each of its addresses",
                took_s.get("dns", USUAL_S["dns"]),
            )
        )
    for name, carrier in pair.carriers.items():
        step = step_name(name)
        if carrier.preset == "manual":
            found.append(StepPreview(step, f"a person calls {name}", "their word: failover confirm", 0.0))
            continue
        try:
            title = load_preset(context.places, carrier.preset).title
        except HotstandbyError:
            title = carrier.preset
        what = f"{len(carrier.dids)} numbers" if carrier.dids else "the trunk"
        route = carrier.routes.get(machine, "?")
        found.append(StepPreview(step, f"route {what} at {title} to {route}", "read back", took_s.get(step, CARRIER_S)))
    found.append(_proof(pair, took_s))
    return tuple(found)


def _proof(pair: Pair, took_s: dict[str, float]) -> StepPreview:
    looks = ["Asterisk's own lists"]
    if pair.dns is not None and pair.dns.resolvers:
        looks.append("public resolvers")
    if pair.domino.sites:
        looks.append("Domino's marker")
    usual = took_s.get("proof", USUAL_S["proof"] + (pair.proof.listen_s + 1.0 if pair.proof is not None else 0.0))
    what = f"call {pair.proof.number} through {pair.proof.trunk}" if pair.proof is not None else "nothing, it looks"
    if pair.proof is not None:
        looks.append("sound both ways")
    return StepPreview("proof", what, ", ".join(looks), usual)


def took(context: Context) -> dict[str, float]:
    """Step -> seconds of the last time it was verified here."""
    found: dict[str, float] = {}
    for file in journal.files(journal.directory(context.places))[-_RUNS:]:
        try:
            run = load(file)
        except HotstandbyError:
            continue
        begun: dict[str, float] = {}
        for entry in run.entries if run is not None else ():
            if entry.kind is EntryKind.BEGUN:
                begun[entry.step] = entry.stamp.boottime
            elif entry.kind in (EntryKind.VERIFIED, EntryKind.OPEN) and entry.step in begun:
                found[entry.step] = max(0.0, entry.stamp.boottime - begun.pop(entry.step))
    return found
