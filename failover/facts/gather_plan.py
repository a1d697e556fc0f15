"""The facts that a promotion is planned by: light to import, for somebody waits with the phones down."""

from __future__ import annotations

import time
from datetime import datetime

from failover.context import Context
from failover.facts.facts import Depth, Facts, Files
from failover.facts.newest_run import open_run
from failover.facts.sync_age import read_sync_age
from failover.probe_result import ProbeResult
from failover.probes.evidence import Evidence
from failover.state import local_state
from host.errors import HotstandbyError
from localized.checks.problem import ConfigProblem, Severity
from localized.generations.generation import Generation


def facts_of_plan(
    context: Context, evidence: Evidence, files: Files, *, now: datetime, command: str = "promote", word: str = ""
) -> tuple[Facts, ProbeResult]:
    """The facts of a plan, and when the machines were last synced, as evidence.

    Args:
        now: wall clock, with its time zone.
        word: a person's, that the peer is down.
    """
    state = local_state.read_state(context.places, context.machine)
    sync, sync_age_s = read_sync_age(context, now)
    facts = Facts(
        pair=context.pair,
        machine=context.machine,
        depth=Depth.PLAN,
        command=command,
        word=word,
        now=now,
        evidence=evidence,
        is_primary=state.is_primary,
        epoch=state.epoch,
        right_epoch=state.right.epoch if state.right.held else 0,
        open_run=open_run(context),
        files=files,
        sync_age_s=sync_age_s,
    )
    return facts, sync


def files_of(
    context: Context, generation: Generation | None, problems: tuple[ConfigProblem, ...], *, failure: str = ""
) -> Files:
    """The primary files of this machine.

    Args:
        generation: the newest primary one; None where there is none.
        failure: why it could not be rendered now.
    """
    digest, age_s = "", 0.0
    if generation is not None:
        try:
            digest = str(generation.manifest().get("pair_digest", ""))
            age_s = max(0.0, time.time() - generation.path.stat().st_mtime)
        except (HotstandbyError, OSError):
            digest = ""

    def of(severity: Severity) -> tuple[str, ...]:
        return tuple(str(one) for one in problems if one.severity is severity)

    return Files(
        generation=generation.name if generation is not None else "",
        age_s=age_s,
        of_this_pair=digest == context.pair.digest,
        blockers=(*of(Severity.BLOCKER), *([failure] if failure else [])),
        errors=of(Severity.ERROR),
        warnings=of(Severity.WARNING),
    )
