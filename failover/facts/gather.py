"""Makes the facts of `failover ready` and `failover check`. Changes nothing; what cannot be seen stays unseen."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ami_watcher.ami.errors import AmiError, LoginRefused, PrivilegeMissing
from ami_watcher.registrations.lists import read_registrations
from failover.context import Context
from failover.facts.facts import AsteriskFiles, Depth, Facts, Guards
from failover.facts.gather_plan import facts_of_plan, files_of
from failover.facts.key_answers import ask_keys
from failover.facts.own_bind import read_named, read_zone_obstacle, served_ttls
from failover.facts.proof_parts import read_proof_parts
from failover.peer.remote import Peer
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.dialplan_gate import read_gate
from failover.probes.evidence import gather_evidence
from failover.probes.iax import probe_iax
from failover.probes.own_status import paused
from failover.probes.parallel import Probe, run_probes
from failover.probes.sip import probe_sip
from failover.state import fenced, local_state, proven_secrets
from failover.steps.fence.program import untrusted
from failover.steps.proof.external_checks import check_domino
from host.command import CommandLate, CommandMissing, run
from host.ownership import open_to_others
from localized.asterisk.configuration import ConfigSection, LocalDisk, read_conf, read_text
from localized.check import check
from localized.generations.store import GenerationStore
from localized.role import Role
from pair import SecretUnusable, Trunk, read_secret, secret_problems
from pair.tsig_key import TsigKeyUnusable, read_tsig_key

LOGIN_S: Final = 3.0
"""Seconds for a login to the manager interface that is only tried."""


def gather_ready(context: Context) -> Facts:
    """Everything that a promotion needs, in about 5 s."""
    return _gather(context, Depth.READY)


def gather_set_up(context: Context) -> Facts:
    """And the configuration of Asterisk, BIND and systemd, in about 6 s."""
    return _gather(context, Depth.SET_UP)


def _gather(context: Context, depth: Depth) -> Facts:
    """All of it at once: most of it is waiting."""
    if context.pair.domino.sites:
        # Two of the threads load it: at once, from its middle, one of them would find half of it.
        importlib.import_module("requests")
    with ThreadPoolExecutor(12) as pool:
        set_up = pool.submit(_set_up, context, pool) if depth is Depth.SET_UP else None
        evidence = pool.submit(gather_evidence, context)
        more = pool.submit(_more, context, pool)
        newest = GenerationStore(context.places).newest(Role.PRIMARY)
        files = files_of(context, newest, tuple(check(context.places, context.pair, context.machine, None)))
        facts, _ = facts_of_plan(context, evidence.result(), files, now=datetime.now().astimezone())
        facts = replace(facts, depth=depth, **more.result())
        return replace(facts, **set_up.result()) if set_up is not None else facts


def gather_more(context: Context, facts: Facts) -> Facts:
    """The facts of a plan, and what `ready` looks at besides."""
    with ThreadPoolExecutor(5) as pool:
        return replace(facts, depth=Depth.READY, **_more(context, pool))


def _more(context: Context, pool: Executor) -> dict[str, Any]:
    """What `ready` looks at besides a plan's facts."""
    carriers = pool.submit(ask_carriers, context)
    compared = pool.submit(Peer(context).secrets)
    sites = pool.submit(check_domino, context)
    obstacle = pool.submit(read_zone_obstacle, context)
    fence = fenced.read_fence(context.places)
    return {
        "warning": context.warning,
        "fenced": fence.reason if fence else "",
        "paused": paused(context),
        "free_bytes": free_bytes(context),
        "secrets": tuple(str(one) for one in secret_problems(context.places, context.pair, context.machine)),
        "proven": proven_secrets.last(context.places, context.pair, context.machine),
        "carriers": carriers.result(),
        "compared": compared.result(),
        "domino": tuple(sites.result()),
        "zone_obstacle": obstacle.result(),
    }


def _set_up(context: Context, pool: Executor) -> dict[str, Any]:
    """What `check` looks at besides what `ready` does."""
    gate = pool.submit(read_gate, context)
    keys = pool.submit(ask_keys, context)
    named = pool.submit(read_named, context)
    ttls = pool.submit(served_ttls, context)
    files = pool.submit(asterisk_files, context)
    parts = pool.submit(read_proof_parts, context)
    algorithm, problem = tsig(context)
    return {
        "localized": str(context.places.localized),
        "writable": writable(context),
        "guards": guards(),
        "dns_role": local_state.dns_role_of(context.places),
        "tsig_algorithm": algorithm,
        "tsig_problem": problem,
        "asterisk": files.result(),
        "proof": parts.result(),
        "gate": gate.result(),
        "named": named.result(),
        "ttls": ttls.result(),
        "keys": keys.result(),
    }


def ask_carriers(context: Context) -> dict[str, ProbeResult]:
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


def writable(context: Context) -> tuple[str, ...]:
    """What root runs or believes and others may write: pair.toml, our directories, templates, hooks, AGI scripts, and
    the programs of [fence]."""
    places = context.places
    ours = [places.pair_toml, places.secrets, places.localized, places.state, places.run]
    programs = [
        *(path for one in (places.templates, places.hooks) for path in sorted(one.rglob("*"))),
        *sorted((places.config / "agi").glob("*.py")),
    ]
    found = [open_to_others(path) for path in (*ours, *programs)]
    if context.pair.fence is not None:
        found += [untrusted(argv) for argv in (context.pair.fence.command, context.pair.fence.verify)]
    return tuple(dict.fromkeys(text for text in found if text))


def asterisk_files(context: Context) -> AsteriskFiles:
    """What Asterisk's configuration says, read as Asterisk reads it."""
    directory, disk = context.asterisk.config_dir, LocalDisk()
    sip, manager = (read_conf(name, directory, disk) for name in ("sip.conf", "manager.conf"))
    general = next(sip.named("general"), None) if sip is not None else None
    user = next(manager.named(context.asterisk.ami.username), None) if manager is not None else None
    registrations, types = _registrations(context)
    return AsteriskFiles(
        sip_general=_settings(general) if sip is not None else None,
        manager_user=_settings(user) if user is not None else None,
        manager_general=_merged(manager.named("general")) if manager is not None else None,
        manager_refused=_login_refused(context),
        registrations=registrations,
        swapped_types=types,
    )


def _registrations(context: Context) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    newest = GenerationStore(context.places).newest(Role.PRIMARY)
    if newest is None:
        return {}, ()
    paths = [path for path in newest.files() if "pjsip" in path and "registration" in path]
    sections = []
    for path in paths:
        try:
            sections += read_text((newest.path / path).read_bytes()).sections
        except OSError:
            continue
    told = [_settings(section) for section in sections if not section.template]
    named = zip([section.name for section in sections if not section.template], told, strict=True)
    found = {name: settings for name, settings in named if settings.get("type") == "registration"}
    return found, tuple(sorted({settings.get("type", "") for settings in told} - {""}))


def _login_refused(context: Context) -> str:
    """Why Asterisk refuses a login now, beside those of our own daemons; empty where it does not, or is down."""
    try:
        secret = read_secret(context.places, context.asterisk.ami.secret_file)
        asyncio.run(read_registrations(context.asterisk.ami, secret, deadline_s=LOGIN_S))
    except (LoginRefused, PrivilegeMissing) as error:
        return str(error)
    except (AmiError, SecretUnusable):
        return ""  # what else may be wrong has rules of its own
    return ""


def _merged(sections: Iterable[ConfigSection]) -> dict[str, str]:
    """manager.c looks a setting up in every section of the name; the last one counts."""
    return {name: value for section in sections for name, value in _settings(section).items()}


def _settings(section: ConfigSection | None) -> dict[str, str]:
    return {one.name.lower(): one.value for one in section.settings} if section is not None else {}


def tsig(context: Context) -> tuple[str, str]:
    """Algorithm of the TSIG key; or empty, and what is wrong with it."""
    dns = context.pair.dns
    if dns is None or dns.key_file is None:
        return "", ""
    try:
        return read_tsig_key(context.places, dns.key_file).algorithm, ""
    except (TsigKeyUnusable, SecretUnusable) as error:
        return "", str(error)


def guards() -> Guards:
    """What systemd does when this machine starts."""
    if not Path("/run/systemd/system").is_dir():
        return Guards(systemd=False, guard_enabled=False, drop_in=False, safe_asterisk=_safe_asterisk())
    return Guards(
        systemd=True,
        guard_enabled=_said(["systemctl", "is-enabled", "hotstandby-boot-guard.service"]).strip() == "enabled",
        drop_in=asks_for_the_fence(_said(["systemctl", "cat", "asterisk.service"])),
        safe_asterisk=_safe_asterisk(),
    )


def asks_for_the_fence(unit: str) -> bool:
    """Whether a unit, as `systemctl cat` shows it, starts under no fence, neither by hand nor by Restart=: from version
    254 on, systemd looks at no Assert...= and no Condition...= for the second (tests/world/deploy/test_units.py)."""
    asked = False
    for line in unit.splitlines():
        key, _, value = line.strip().partition("=")
        if key == "ExecCondition":
            # An empty one takes back all that stand above it (systemd.service(5)).
            asked = bool(value) and (asked or "/run/hotstandby/fenced" in value)
    return asked


def _safe_asterisk() -> bool:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if any(word.endswith(b"/safe_asterisk") for word in entry.read_bytes().split(b"\0")[:2]):
                return True
        except OSError:
            continue
    return False


def _said(argv: list[str]) -> str:
    try:
        return run(argv, deadline_s=5.0).stdout
    except (CommandLate, CommandMissing):
        return ""


def free_bytes(context: Context) -> int:
    """Left on the disk of the journal."""
    try:
        state = os.statvfs(context.places.state if context.places.state.exists() else context.places.state.parent)
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize
