"""Makes a role true on this machine: swapped, reloaded, and waited for until Asterisk's own lists show it.

Nothing is moved before everything that can be known beforehand is known: that the files are good, that Asterisk
reads them, that it answers, and that its modules are there. What was reloaded is kept in state, so that a run that
was killed is completed by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from host.places import Places
from localized.activation import hosts_file as hosts
from localized.activation import right
from localized.activation.comparison import Comparison
from localized.activation.following import follow
from localized.activation.outcome import ActivationOutcome, judge
from localized.activation.probe import AsteriskProbe, probe_asterisk
from localized.activation.registration_wait import Progress
from localized.activation.reload_state import (
    CHANNEL_OF,
    ReloadState,
    files_read,
    in_order,
    modules_to_reload,
    touch,
    touch_own,
)
from localized.asterisk import reload
from localized.asterisk.refusals import LogFindings
from localized.checks.problem import Severity
from localized.errors import ActivationIncomplete, AsteriskUnreachable, NotActivatable, NotWritable
from localized.generations.generation import Generation
from localized.generations.lock import directory_lock
from localized.generations.rollback import Rollback
from localized.generations.store import GenerationStore
from localized.prepare import BUSY_S, PreparedGeneration
from localized.role import Role
from pair import Pair
from pair.right import withdraw_word

RESTART_FILE: Final = "asterisk/pjsip-address.conf"


def activate(
    places: Places,
    pair: Pair,
    machine: str,
    prepared: PreparedGeneration,
    *,
    asterisk: bool = True,
    hosts_file: Path | None = None,
    probe: AsteriskProbe | None = None,
    progress: Progress = lambda _: None,
) -> ActivationOutcome:
    """Swaps to a prepared generation, reloads what changed, and verifies; a primary's right is proven just before.

    Args:
        asterisk: False: swap alone, for a machine whose Asterisk is known not to run.
        hosts_file: /etc/hosts, to hold our block; None leaves it alone.
        probe: Asterisk as it was seen a moment ago (`probe_asterisk`), while callers were not waiting yet.
        progress: told what is being waited for.

    Raises:
        NoRight, NotActivatable, NotWritable, AsteriskUnreachable: the active generation is untouched.
        ActivationIncomplete: swapped, and Asterisk did not follow.
        LockHeld: another process is at it, for longer than prepare.BUSY_S.
    """
    with directory_lock(places, f"activating {prepared.generation.name}", wait_s=BUSY_S):
        return _activate(places, pair, machine, prepared, asterisk, hosts_file, probe, progress)


def activate_unseen(
    places: Places, pair: Pair, machine: str, prepared: PreparedGeneration, *, hosts_file: Path | None = None
) -> ActivationOutcome:
    """As `activate`, where Asterisk takes commands and its lists cannot be read: swapped and reloaded, nothing seen.

    Raises:
        AsteriskUnreachable: it takes no commands either; the active generation is untouched.
        NoRight, NotActivatable, NotWritable, ActivationIncomplete, LockHeld
    """
    settings = pair.asterisk_on(machine)
    reload.wait_until_booted(settings)
    with directory_lock(places, f"activating {prepared.generation.name}", wait_s=BUSY_S):
        outcome = _activate(places, pair, machine, prepared, False, hosts_file, None, lambda _: None)
        store = GenerationStore(places)
        modules = prepared.generation.modules()
        touch(store, prepared.generation, modules)
        first, beside = in_order(sorted(modules), frozenset(CHANNEL_OF.values()))
        for module in (*first, *beside):
            try:
                reload.reload_module(settings, module)
            except AsteriskUnreachable as error:
                outcome.not_reloaded.append(str(error))
            else:
                outcome.reloaded.append(module)
    if not outcome.reloaded:
        why = "; ".join(outcome.not_reloaded)
        raise ActivationIncomplete(f"{prepared.generation.name} is active on disk, and Asterisk did not follow: {why}")
    return outcome


def _activate(
    places: Places,
    pair: Pair,
    machine: str,
    prepared: PreparedGeneration,
    asterisk: bool,
    hosts_file: Path | None,
    probe: AsteriskProbe | None,
    progress: Progress,
) -> ActivationOutcome:
    role = prepared.generation.role
    stopping = [str(problem) for problem in prepared.problems if problem.severity is Severity.BLOCKER]
    # The very first files must exist before they can be included, and a boot as standby is stopped by nothing.
    if stopping and (asterisk or role is not Role.STANDBY):
        raise NotActivatable(
            "Nothing was activated, because Asterisk would not do what pair.toml says:\n"
            + "\n".join("  " + line.replace("\n", "\n  ") for line in stopping)
            + f"\nMend {'it' if len(stopping) == 1 else 'them'}, then try again; "
            "render-localized --check looks without activating." + _stays(places, role)
        )
    outcome = ActivationOutcome(role, machine, prepared.generation.name, prepared.problems)
    probe = _fresh_probe(places, pair, machine, role, probe, progress) if asterisk else None
    store = GenerationStore(places)
    before = store.pointed_to("current")
    state = ReloadState(places)
    read = files_read(probe.wait.asterisk, store.root / "current") if probe is not None else {}
    modules = modules_to_reload(store, state, prepared.generation, read)
    stale = modules if state.name() is None else state.changed(read)
    refused = state.refused()
    if role is Role.PRIMARY:
        # Proven before as well; but a lease may have ended while Asterisk took its time.
        right.prove(places, machine)
    started = time.monotonic()
    state.forget()
    store.activate(prepared.generation)
    if role is Role.STANDBY:
        withdraw_word(places)
    _write_hosts(prepared.generation, hosts_file, outcome)
    if probe is not None:
        if stale:
            touch(store, prepared.generation, stale)
            touch_own(probe.wait.asterisk, refused)
        found = follow(probe.wait, store, prepared.generation, modules, outcome, progress)
        log = probe.log.findings()
        judge(outcome, found, pair, log)
        _remember(state, prepared.generation, found, log, read)
        outcome.restart = needs_restart(before, prepared.generation)
    outcome.seconds = time.monotonic() - started
    store.prune()
    Rollback(places).end()
    return outcome


def _fresh_probe(
    places: Places, pair: Pair, machine: str, role: Role, probe: AsteriskProbe | None, progress: Progress
) -> AsteriskProbe:
    if probe is not None and probe.fresh(role):
        return probe
    progress("asking Asterisk whether it answers")
    try:
        return probe_asterisk(places, pair, machine, role)
    except AsteriskUnreachable as error:
        if role is not Role.STANDBY:
            raise
        raise AsteriskUnreachable(
            f"{error}\nTo make it start as standby all the same:\n"
            "    render-localized --role standby --activate --without-asterisk"
        ) from error


def _remember(
    state: ReloadState, generation: Generation, found: Comparison, log: LogFindings, read: Mapping[str, str]
) -> None:
    if refused := [one.file for one in log.refusals if one.whole]:
        state.note_refused(refused)
    elif not found.not_loaded:
        state.remember(generation, read)


def _stays(places: Places, role: Role) -> str:
    """What it means that a primary was not made standby, and what makes it one whatever its Asterisk refuses."""
    active = GenerationStore(places).pointed_to("current")
    if role is not Role.STANDBY or active is None or active.role is not Role.PRIMARY:
        return ""
    return (
        "\nThis machine stays primary, and registered. To make it standby all the same, ending an Asterisk that does "
        "not obey:\n    failover demote"
    )


def reload_active(
    places: Places, pair: Pair, machine: str, *, progress: Progress = lambda _: None
) -> ActivationOutcome:
    """Reloads every module that reads the active generation, and verifies it.

    Raises:
        NotActivatable: nothing is active. AsteriskUnreachable, ActivationIncomplete.
    """
    store = GenerationStore(places)
    active = store.pointed_to("current")
    if active is None:
        raise NotActivatable(
            f"{places.localized / 'current'} points to no generation, so there is nothing to reload. "
            "Type: render-localized --role standby --activate"
        )
    probe = probe_asterisk(places, pair, machine, active.role)
    outcome = ActivationOutcome(active.role, machine, active.name)
    started = time.monotonic()
    modules = active.modules()
    state = ReloadState(places)
    read = files_read(probe.wait.asterisk, store.root / "current")
    touch(store, active, modules if state.name() != active.name else state.changed(read))
    touch_own(probe.wait.asterisk, state.refused())
    found = follow(probe.wait, store, active, sorted(modules), outcome, progress)
    log = probe.log.findings()
    judge(outcome, found, pair, log)
    _remember(state, active, found, log, read)
    outcome.seconds = time.monotonic() - started
    return outcome


def _write_hosts(generation: Generation, hosts_file: Path | None, outcome: ActivationOutcome) -> None:
    if hosts_file is None:
        return
    block = (generation.path / "hosts").read_bytes() if (generation.path / "hosts").exists() else b""
    try:
        written = hosts.apply(hosts_file, block)
    except NotWritable as error:
        outcome.hosts.append(str(error))
        outcome.hosts_failed = True
    else:
        if written is hosts.Written.IN_PLACE:
            outcome.hosts.append(
                f"{hosts_file} is a mount of its own, or nothing can be made beside it, so our block was written in "
                "place. A container's is made anew when the container starts: give the aliases with --add-host there, "
                "or activate again."
            )
    outcome.hosts += hosts.troubles(hosts_file, block)


def needs_restart(before: Generation | None, now: Generation) -> bool:
    """Whether a file differs that Asterisk reads at its start alone: PJSIP transports do not reload."""
    if before is None:
        return False
    old, new = before.files().get(RESTART_FILE), now.files().get(RESTART_FILE)
    return old is not None and new is not None and old["sha256"] != new["sha256"]
