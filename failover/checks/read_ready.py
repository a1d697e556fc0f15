"""Looks at everything that `failover ready` tells, at once. Changes nothing."""

from __future__ import annotations

import importlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

from failover.bind.named import NamedSilent
from failover.checks.ready import Item, Prepared, items
from failover.context import Context
from failover.peer.remote import Peer
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import gather
from failover.probes.iax import probe_iax
from failover.probes.own_status import paused
from failover.probes.parallel import Probe, run_probes
from failover.probes.sip import probe_sip
from failover.state import fenced, local_state, proven_secrets
from failover.steps.dns.obstacle import zone_obstacle_here
from failover.steps.proof.external_checks import check_domino
from host.errors import HotstandbyError
from localized.check import check
from localized.checks.problem import Severity
from localized.generations.store import GenerationStore
from localized.role import Role
from pair import Trunk, secret_problems


def read_items(context: Context) -> tuple[Item, ...]:
    """Every item, all looked at at once."""
    if context.pair.domino.sites:
        # Two of the looks load it: at once, from its middle, one of them would find half of it.
        importlib.import_module("requests")
    with ThreadPoolExecutor(5) as pool:
        evidence = pool.submit(gather, context)
        registrars = pool.submit(ask_registrars, context)
        prepared = pool.submit(on_disk, context)
        sites = pool.submit(check_domino, context)
        secrets = pool.submit(Peer(context).secrets)
    primary = local_state.read_state(context.places, context.machine).is_primary
    return items(
        context.pair,
        context.machine,
        prepared.result(),
        evidence.result(),
        registrars.result(),
        primary=primary,
        domino=sites.result(),
        secrets=secrets.result(),
    )


def ask_registrars(context: Context) -> dict[str, ProbeResult]:
    """Whether each trunk's carrier answers this machine; each address is asked once."""
    trunks = {name: context.pair.trunk_on(name, context.machine) for name in context.pair.trunks}
    wanted = {_where(trunk): trunk for trunk in trunks.values() if trunk.register_ or trunk.emergency}
    looks = [_ask(trunk) for trunk in wanted.values()]
    answers = dict(zip(wanted, run_probes(looks, total_s=4.0), strict=True))
    return {name: answers[_where(trunk)] for name, trunk in trunks.items() if _where(trunk) in answers}


def _where(trunk: Trunk) -> tuple[str, str, int]:
    return ("iax" if trunk.channel == "iax2" else "sip", trunk.host, trunk.server_port)


def _ask(trunk: Trunk) -> Probe[ProbeResult]:
    probe = probe_iax if trunk.channel == "iax2" else probe_sip
    host, port = trunk.host, trunk.server_port

    def late(seconds: float) -> ProbeResult:
        return ProbeResult(
            "carrier", host, host, ProbeAnswer.SILENT, f"{host} did not answer in {seconds:.0f} s", seconds
        )

    return Probe(lambda: probe(host, host, port), late)


def on_disk(context: Context) -> Prepared:
    """What lies ready on this machine's disk."""
    newest = GenerationStore(context.places).newest(Role.PRIMARY)
    digest, age_s = "", 0.0
    if newest is not None:
        try:
            digest = str(newest.manifest().get("pair_digest", ""))
            age_s = max(0.0, time.time() - newest.path.stat().st_mtime)
        except (HotstandbyError, OSError):
            digest = ""
    problems = check(context.places, context.pair, context.machine, None)
    state = local_state.read_state(context.places, context.machine)
    fence = fenced.read_fence(context.places)
    return Prepared(
        generation=newest.name if newest is not None else "",
        age_s=age_s,
        of_this_pair=digest == context.pair.digest,
        stops=tuple(str(one) for one in problems if one.weight is not Severity.WARNING),
        secrets=tuple(str(one) for one in secret_problems(context.places, context.pair, context.machine)),
        warning=context.warning,
        free_bytes=_free(context),
        fenced=fence.reason if fence else "",
        open_run=state.open_run,
        paused=paused(context),
        zone=_zone(context),
        epoch=state.epoch,
        right_epoch=state.right.epoch if state.right.held else 0,
        proven=proven_secrets.last(context.places, context.pair, context.machine),
    )


def _zone(context: Context) -> str:
    if context.pair.dns is None:
        return ""
    try:
        return zone_obstacle_here(context.pair.dns, context.machine)
    except NamedSilent as error:
        return str(error)


def _free(context: Context) -> int:
    try:
        state = os.statvfs(context.places.state if context.places.state.exists() else context.places.state.parent)
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize
