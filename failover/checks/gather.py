"""Looks at everything that the lint's rules want to know. Changes nothing; what cannot be seen is left as not seen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from ami_watcher.ami.errors import AmiError, LoginRefused, PrivilegeMissing
from ami_watcher.registrations.lists import read_registrations
from failover.checks import name_servers
from failover.checks.dialplan import look as look_at_proof
from failover.checks.facts import AsteriskFiles, Facts, Guards
from failover.checks.own_bind import look as look_at_named
from failover.checks.own_bind import served_ttls
from failover.context import Context
from failover.name_servers.tsig_key import TsigKeyUnusable, parse_tsig_key
from failover.peer.remote import Peer
from failover.probes.dialplan_gate import read_gate
from failover.probes.own_status import paused
from failover.state import fenced, local_state
from failover.steps.fence.program import untrusted
from host.command import CommandLate, CommandMissing, run
from host.ownership import open_to_others
from localized.asterisk.configuration import ConfigSection, LocalDisk, read_conf, read_text
from localized.check import check
from localized.checks.problem import Severity
from localized.generations.store import GenerationStore
from localized.role import Role
from pair import SecretUnusable, read_secret, secret_problems

LOGIN_S: Final = 3.0
"""Seconds for a login to the manager interface that is only tried."""


def gather(context: Context) -> Facts:
    """The facts of this machine, in about 6 s."""
    with ThreadPoolExecutor(9) as pool:
        gate = pool.submit(read_gate, context)
        asked = pool.submit(Peer(context).probe_status)
        compared = pool.submit(Peer(context).secrets)
        published = pool.submit(name_servers.published, context)
        keys = pool.submit(name_servers.keys, context)
        named = pool.submit(look_at_named, context)
        ttls = pool.submit(served_ttls, context)
        files = pool.submit(asterisk_files, context)
        proof = pool.submit(look_at_proof, context)
    algorithm, problem = tsig(context)
    fence = fenced.read_fence(context.places)
    answer = asked.result()
    return Facts(
        pair=context.pair,
        machine=context.machine,
        localized=str(context.places.localized),
        warning=context.warning,
        secrets=tuple(str(problem) for problem in secret_problems(context.places, context.pair, context.machine)),
        writable=writable(context),
        asterisk=files.result(),
        proof=proof.result(),
        gate=gate.result(),
        named=named.result(),
        dns_role=local_state.dns_role_of(context.places),
        ttls=ttls.result(),
        tsig_algorithm=algorithm,
        tsig_problem=problem,
        peer=answer.status,
        peer_words=answer.found.words,
        compared=compared.result(),
        published=published.result(),
        keys=keys.result(),
        clock_s=max(0.0, abs(answer.clock_s) - answer.unsure_s),
        guards=guards(),
        paused=paused(context),
        fenced=fence.reason if fence else "",
        open_run=local_state.read_state(context.places, context.machine).open_run,
    )


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
    problems = check(context.places, context.pair, context.machine, None)
    registrations, types = _registrations(context)
    return AsteriskFiles(
        sip_general=_settings(general) if sip is not None else None,
        manager_user=_settings(user) if user is not None else None,
        manager_general=_merged(manager.named("general")) if manager is not None else None,
        manager_refused=_login_refused(context),
        registrations=registrations,
        swapped_types=types,
        wiring=tuple(str(one) for one in problems if one.weight is not Severity.WARNING),
        advice=tuple(str(one) for one in problems if one.weight is Severity.WARNING and "named" not in str(one)),
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
        return parse_tsig_key(
            read_secret(context.places, dns.key_file), str(context.places.secrets / dns.key_file)
        ).algorithm, ""
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
