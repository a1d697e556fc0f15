"""Gathers what a plan is made of. Looks, renders both roles to disk as always, and changes nothing that serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from failover.context import Context
from failover.journal import journal
from failover.journal.entry import EntryKind, RunOutcome
from failover.journal.run import Run, load, runs_newest_first
from failover.plan import sync_age
from failover.plan.plan import Plan, PlannedStep
from failover.plan.risks import Looked, risks
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes import evidence as looking
from failover.probes.evidence import Evidence
from failover.state import local_state, proven_secrets
from host.durations import lasting
from host.errors import HotstandbyError
from localized.checks.problem import Severity
from localized.errors import LocalizedError
from localized.prepare import PreparedGeneration, prepare_or_last
from localized.role import Role
from pair import Pair, public_role
from pair.public_role import FAR, Believed, believed

USUAL_S: Final = {"fence": 3.0, "localize": 3.0, "dns": 2.0, "proof": 0.5}
"""Seconds, where no earlier run tells better."""
CARRIER_S: Final = 2.0
_RUNS: Final = 5
"""Earlier runs that are looked at."""


@dataclass(frozen=True, slots=True)
class Made:
    """A plan and what it was made from.

    Attributes:
        plan: the value.
        evidence: as gathered.
        prepared: the primary generation; None where it could not be rendered.
        serves_already: our own standing says that this machine is primary, and no public record says otherwise.
    """

    plan: Plan
    evidence: Evidence
    prepared: PreparedGeneration | None
    serves_already: bool
    degraded: bool
    """The newest run here ended with something missing."""


def make(context: Context, command: str, word: str = "", *, meanwhile: Callable[[], object] = lambda: None) -> Made:
    """The plan for making this machine primary.

    Args:
        meanwhile: done while the others are waited for: anything that changes nothing.
    """
    problems: list[str] = []
    prepared: PreparedGeneration | None = None
    with ThreadPoolExecutor(1) as pool:
        # Asking is waiting, mostly; the files are rendered meanwhile.
        asking = pool.submit(looking.gather, context, hurry=bool(word))
        try:
            prepared = prepare_or_last(context.places, context.pair, context.machine, Role.PRIMARY)
            problems += [str(one) for one in prepared.problems if one.weight is Severity.BLOCKER]
        except (LocalizedError, HotstandbyError) as error:
            problems.append(str(error))
        passwords = taken_passwords(context)
        meanwhile()
        seen = asking.result()
    known = local_state.read_state(context.places, context.machine)
    counted = count(context.peer, known.epoch, seen)
    public = public_role.newest([one.said for one in seen.servers], leaving_out=counted.left_out)
    serves = known.is_primary and (
        context.pair.dns is None
        or (public is not None and public.machine == context.machine)
        # The zone tells of an earlier promotion: what is missing of this one is the zone.
        or known.right.epoch > (public.epoch if public is not None else 0)
    )
    epoch = known.right.epoch if serves and known.right.epoch else 1 + counted.epoch
    now = datetime.now().astimezone()
    sync, sync_age_s = sync_age.read_sync_age(context, now)
    looked = Looked(
        pair=context.pair,
        machine=context.machine,
        command=command,
        evidence=seen,
        word=word,
        generation_problems=tuple(problems),
        open_run=_open_run(context),
        serves=serves,
        wall_year=datetime.now(UTC).year,
        sync_age_s=sync_age_s,
    )
    plan = Plan(
        command=command,
        machine=context.machine,
        peer=context.peer,
        epoch=epoch,
        pair_digest=context.pair.digest,
        steps=steps(context, took(context), word=word, demotable=seen.peer.status is not None),
        risks=risks(looked, now),
        evidence=(
            *seen.of_peer,
            *(one.found for one in seen.servers),
            *left_out(counted, known.epoch),
            seen.own.found,
            seen.clock,
            passwords,
            sync,
        ),
    )
    return Made(plan, seen, prepared, serves, _degraded(context))


def count(peer: str, known: int, seen: Evidence) -> Believed:
    """The last promotion, as far as it is believed: by our own files, the name servers and the peer.

    Args:
        known: by our own files.
    """
    told = public_role.epochs_told([one.said for one in seen.servers])
    if seen.peer.status is not None:
        # Its word over ssh, and not that of its name server: the two are one witness.
        told[peer] = seen.peer.status.epoch
    return believed(told, known)


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


def newest_run(context: Context) -> Run | None:
    """The newest run that was more than an empty file.

    Raises:
        JournalDamaged
    """
    return next((run for _, run in runs_newest_first(journal.directory(context.places))), None)


def waiting(context: Context) -> dict[str, str]:
    """Step -> what it waits for, of the newest run; for whoever reminds people. Never raises for a damaged journal."""
    try:
        run = newest_run(context)
    except HotstandbyError:
        return {}
    return {step.name: step.words for step in run.waiting} if run is not None else {}


def _degraded(context: Context) -> bool:
    run = newest_run(context)
    return run is not None and run.outcome is RunOutcome.DEGRADED


def _open_run(context: Context) -> Run | None:
    run = newest_run(context)
    return run if run is not None and not run.closed and run.touched else None


def steps(context: Context, took_s: dict[str, float], *, word: str, demotable: bool) -> tuple[PlannedStep, ...]:
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
        PlannedStep("fence", how, f"{peer} provably registers nothing", took_s.get("fence", USUAL_S["fence"])),
        PlannedStep(
            "localize",
            f"activate the primary files of {machine} and register {', '.join(shared) or 'nothing'}",
            "Asterisk's own lists",
            took_s.get("localize", USUAL_S["localize"]),
        ),
    ]
    if pair.dns is not None:
        names = ", ".join(f"{name} to {by[machine]}" for name, by in pair.dns.follow.items())
        found.append(
            PlannedStep(
                "dns",
                f"point {names} in {pair.dns.zone}, by {pair.dns.method}",
                "every name server that the parent delegates to, at each of its addresses",
                took_s.get("dns", USUAL_S["dns"]),
            )
        )
    for name, carrier in pair.carriers.items():
        step = step_name(name)
        if carrier.preset == "manual":
            found.append(PlannedStep(step, f"a person calls {name}", "their word: failover confirm", 0.0))
            continue
        try:
            title = load_preset(context.places, carrier.preset).title
        except HotstandbyError:
            title = carrier.preset
        what = f"{len(carrier.dids)} numbers" if carrier.dids else "the trunk"
        route = carrier.routes.get(machine, "?")
        found.append(PlannedStep(step, f"route {what} at {title} to {route}", "read back", took_s.get(step, CARRIER_S)))
    found.append(_proof(pair, took_s))
    return tuple(found)


def _proof(pair: Pair, took_s: dict[str, float]) -> PlannedStep:
    looks = ["Asterisk's own lists"]
    if pair.dns is not None and pair.dns.resolvers:
        looks.append("public resolvers")
    if pair.domino.sites:
        looks.append("Domino's marker")
    usual = took_s.get("proof", USUAL_S["proof"] + (pair.proof.listen_s + 1.0 if pair.proof is not None else 0.0))
    what = f"call {pair.proof.number} through {pair.proof.trunk}" if pair.proof is not None else "nothing, it looks"
    if pair.proof is not None:
        looks.append("sound both ways")
    return PlannedStep("proof", what, ", ".join(looks), usual)


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
