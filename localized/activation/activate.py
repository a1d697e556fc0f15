"""Makes a role true on this machine: render, check, swap, reload, and wait until Asterisk's own lists show it.

Nothing is moved before everything that can be known beforehand is known: that the files are good, that Asterisk
reads them, that it answers, and that its modules are there. What was reloaded is kept in state, so that a run that
was killed is completed by the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ami_watcher.ami.errors import AmiError
from host.exits import Exit
from host.places import Places
from localized.activation import hosts_file as hosts
from localized.activation import right
from localized.activation.comparison import Comparison
from localized.activation.outcome import ActivationOutcome, judge
from localized.activation.registration_wait import Progress, RegistrationWait
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
from localized.asterisk.log import AsteriskLog
from localized.asterisk.refusals import LogFindings
from localized.checks.problem import Severity
from localized.errors import AsteriskUnreachable, LocalizedError, NotActivatable, NotWritable
from localized.generations.lock import directory_lock
from localized.generations.rollback import Rollback
from localized.generations.store import Generation, GenerationStore
from localized.prepare import BUSY_S, PreparedGeneration
from localized.role import Role
from pair import Pair
from pair.right import withdraw_word

RESTART_FILE: Final = "asterisk/pjsip-address.conf"
LOOKED_S: Final = 15.0
"""Seconds for which a look ahead counts: a demotion takes one or two, and callers wait when it is over."""


class Halfway(LocalizedError):
    """The swap was made, and Asterisk could not be made to follow; the same command completes it."""

    exit_code = Exit.HALFWAY


@dataclass(frozen=True, slots=True)
class AsteriskProbe:
    """Asterisk as it was seen: it answers on both of its sides, and has the modules that a role needs.

    Attributes:
        role: that role.
        watch: what has looked.
        log: where Asterisk writes, from then on.
        at: when, seconds on the monotonic clock.
    """

    role: Role
    watch: RegistrationWait
    log: AsteriskLog
    at: float

    def fresh(self, role: Role) -> bool:
        """Whether an activation of a role may go by it."""
        return role is self.role and time.monotonic() - self.at < LOOKED_S


def probe_asterisk(places: Places, pair: Pair, machine: str, role: Role) -> AsteriskProbe:
    """Looks at Asterisk for an activation that follows as soon as the other machine has let go.

    Raises:
        AsteriskUnreachable, SecretUnusable
    """
    watch = RegistrationWait(places, pair, machine, role)
    at = time.monotonic()
    return AsteriskProbe(role, watch, _look(watch), at)


def activate(
    places: Places,
    pair: Pair,
    machine: str,
    prepared: PreparedGeneration,
    *,
    asterisk: bool = True,
    hosts_file: Path | None = None,
    looked: AsteriskProbe | None = None,
    progress: Progress = lambda _: None,
) -> ActivationOutcome:
    """Swaps to a prepared generation, reloads what changed, and verifies; a primary's right is proven just before.

    Args:
        asterisk: False: swap alone, for a machine whose Asterisk is known not to run.
        hosts_file: /etc/hosts, to hold our block; None leaves it alone.
        looked: Asterisk as it was seen a moment ago (`look_ahead`), while callers were not waiting yet.
        progress: told what is being waited for.

    Raises:
        NoRight, NotActivatable, NotWritable, AsteriskUnreachable: the active generation is untouched.
        Halfway: swapped, and Asterisk did not follow.
        LockHeld: another process is at it, for longer than prepare.BUSY_S.
    """
    with directory_lock(places, f"activating {prepared.generation.name}", wait_s=BUSY_S):
        return _activate(places, pair, machine, prepared, asterisk, hosts_file, looked, progress)


def activate_unseen(
    places: Places, pair: Pair, machine: str, prepared: PreparedGeneration, *, hosts_file: Path | None = None
) -> ActivationOutcome:
    """As `activate`, where Asterisk takes commands and its lists cannot be read: swapped and reloaded, nothing seen.

    Raises:
        AsteriskUnreachable: it takes no commands either; the active generation is untouched.
        NoRight, NotActivatable, NotWritable, Halfway, LockHeld
    """
    settings = pair.asterisk_on(machine)
    reload.wait_until_booted(settings)
    with directory_lock(places, f"activating {prepared.generation.name}", wait_s=BUSY_S):
        outcome = _activate(places, pair, machine, prepared, False, hosts_file, None, lambda _: None)
        store = GenerationStore(places)
        modules = {module for file in prepared.generation.files().values() if (module := file["reload"])}
        touch(store, prepared.generation, modules)
        first, beside = in_order(sorted(modules), frozenset(CHANNEL_OF.values()))
        for module in (*first, *beside):
            try:
                reload.reload_module(settings, module)
            except AsteriskUnreachable as error:
                outcome.notes.append(str(error))
            else:
                outcome.reloaded.append(module)
    if not outcome.reloaded:
        raise Halfway(
            f"{prepared.generation.name} is active on disk, and Asterisk did not follow: {'; '.join(outcome.notes)}"
        )
    return outcome


def _activate(
    places: Places,
    pair: Pair,
    machine: str,
    prepared: PreparedGeneration,
    asterisk: bool,
    hosts_file: Path | None,
    looked: AsteriskProbe | None,
    progress: Progress,
) -> ActivationOutcome:
    role = prepared.generation.role
    stopping = [str(problem) for problem in prepared.problems if problem.weight is Severity.BLOCKER]
    # The very first files must exist before they can be included, and a boot as standby is stopped by nothing.
    if stopping and (asterisk or role is not Role.STANDBY):
        raise NotActivatable(
            "Nothing was activated, because Asterisk would not do what pair.toml says:\n"
            + "\n".join("  " + line.replace("\n", "\n  ") for line in stopping)
            + f"\nMend {'it' if len(stopping) == 1 else 'them'}, then try again; "
            "render-localized --check looks without activating." + _stays(places, role)
        )
    outcome = ActivationOutcome(role, machine, prepared.generation.name)
    outcome.notes += [str(problem) for problem in prepared.problems]
    if asterisk and looked is not None and looked.fresh(role):
        watch: RegistrationWait | None = looked.watch
        log: AsteriskLog | None = looked.log
    else:
        watch, log = RegistrationWait(places, pair, machine, role) if asterisk else None, None
    if watch is not None and log is None:
        progress("asking Asterisk whether it answers")
        try:
            log = _look(watch)
        except AsteriskUnreachable as error:
            if role is not Role.STANDBY:
                raise
            raise AsteriskUnreachable(
                f"{error}\nTo make it start as standby all the same:\n"
                "    render-localized --role standby --activate --without-asterisk"
            ) from error
    store = GenerationStore(places)
    before = store.pointed_to("current")
    loaded = ReloadState(places)
    read = files_read(watch.asterisk, store.root / "current") if watch is not None else {}
    modules = modules_to_reload(store, loaded, prepared.generation, read)
    stale = modules if loaded.name() is None else loaded.changed(read)
    refused = loaded.refused()
    if role is Role.PRIMARY:
        # Proven before as well; but a lease may have ended while Asterisk took its time.
        right.prove(places, machine)
    started = time.monotonic()
    loaded.forget()
    store.activate(prepared.generation)
    if role is Role.STANDBY:
        withdraw_word(places)
    _write_hosts(prepared.generation, hosts_file, outcome)
    if watch is not None:
        if stale:
            touch(store, prepared.generation, stale)
            touch_own(watch.asterisk, refused)
        found = _follow(watch, store, prepared.generation, modules, outcome, progress)
        said = log.findings() if log is not None else LogFindings()
        judge(outcome, found, pair, said)
        _remember(loaded, prepared.generation, found, said, read)
        if needs_restart(before, prepared.generation):
            outcome.notes.append(
                "The external address of the PJSIP transports has changed, and transports do not reload. "
                "When no call is up: asterisk -rx 'core restart gracefully'"
            )
    else:
        outcome.notes.append("Asterisk was not asked; it reads this generation when it starts.")
        first = "mend what is said above, " if stopping else ""
        outcome.next = f"{first}start Asterisk, then: render-localized --role {role.value} --activate"
    outcome.seconds = time.monotonic() - started
    store.prune()
    Rollback(places).end()
    return outcome


def _remember(
    loaded: ReloadState, generation: Generation, found: Comparison, said: LogFindings, read: Mapping[str, str]
) -> None:
    if refused := [one.file for one in said.refusals if one.whole]:
        loaded.note_refused(refused)
    elif not found.not_loaded:
        loaded.remember(generation, read)


def _look(watch: RegistrationWait) -> AsteriskLog:
    """Asks Asterisk whether it answers, and where it writes its log.

    Raises:
        AsteriskUnreachable
    """
    watch.look_before()
    return AsteriskLog(watch.asterisk)


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
        NotActivatable: nothing is active. AsteriskUnreachable, Halfway.
    """
    store = GenerationStore(places)
    active = store.pointed_to("current")
    if active is None:
        raise NotActivatable(
            f"{places.localized / 'current'} points to no generation, so there is nothing to reload. "
            "Type: render-localized --role standby --activate"
        )
    watch = RegistrationWait(places, pair, machine, active.role)
    log = _look(watch)
    outcome = ActivationOutcome(active.role, machine, active.name)
    started = time.monotonic()
    modules = {module for file in active.files().values() if (module := file["reload"])}
    read = files_read(watch.asterisk, store.root / "current")
    touch(store, active, modules if ReloadState(places).name() != active.name else ReloadState(places).changed(read))
    touch_own(watch.asterisk, ReloadState(places).refused())
    found = _follow(watch, store, active, sorted(modules), outcome, progress)
    said = log.findings()
    judge(outcome, found, pair, said)
    _remember(ReloadState(places), active, found, said, read)
    outcome.seconds = time.monotonic() - started
    return outcome


def _follow(
    watch: RegistrationWait,
    store: GenerationStore,
    generation: Generation,
    modules: Iterable[str],
    outcome: ActivationOutcome,
    progress: Progress,
) -> Comparison:
    """Reloads, and returns what Asterisk's lists came to."""
    started = tuple(modules)
    first, beside = in_order(started, watch.channels)

    def reload_each(some: Iterable[str]) -> None:
        for module in some:
            _reload(watch, module, outcome, progress)

    def reload_the_rest() -> str | None:
        reload_each(beside)
        return reload.dialplan_role(watch.asterisk)

    async def settle() -> tuple[Comparison, str | None]:
        # A registration takes PJSIP a second: what registers nothing is reloaded and looked at meanwhile.
        rest = asyncio.create_task(asyncio.to_thread(reload_the_rest))
        try:
            settled = await watch.until_settled(store, generation, progress, reloaded=started)
        finally:
            await asyncio.gather(rest, return_exceptions=True)
        return settled, rest.result()

    try:
        reload_each(first)
        found, told = asyncio.run(settle())
        outcome.asked_again += watch.asked_again
        if told is not None and told != generation.role.value:
            outcome.notes.append(f"The dialplan still says HOTSTANDBY_ROLE={told}: another file sets it.")
            outcome.exit = Exit.DEGRADED
    except (AsteriskUnreachable, AmiError) as error:
        raise Halfway(
            f"{generation.name} is active on disk, and Asterisk did not follow: {error}\n"
            f"Then type again: render-localized --role {generation.role.value} --activate"
        ) from error
    except KeyboardInterrupt:
        raise Halfway(
            f"Interrupted: {generation.name} is active on disk, and it is not proven that Asterisk follows.\n"
            f"To complete it, type again: render-localized --role {generation.role.value} --activate"
        ) from None
    return found


def _reload(watch: RegistrationWait, module: str, outcome: ActivationOutcome, progress: Progress) -> None:
    if module in CHANNEL_OF and CHANNEL_OF[module] not in watch.loaded_modules():
        # Nothing of it can register; where something should, look_before has said so.
        return
    progress(f"reloading {module}")
    try:
        watch.reload(module)
    except AsteriskUnreachable as error:
        if module in CHANNEL_OF:
            raise
        # The dialplan's role, or an admin's own file: no reason to stop between swap and proof.
        outcome.notes.append(str(error))
        outcome.exit = Exit.DEGRADED
    else:
        outcome.reloaded.append(module)


def _write_hosts(generation: Generation, hosts_file: Path | None, outcome: ActivationOutcome) -> None:
    if hosts_file is None:
        return
    block = (generation.path / "hosts").read_bytes() if (generation.path / "hosts").exists() else b""
    try:
        written = hosts.apply(hosts_file, block)
    except NotWritable as error:
        outcome.notes.append(str(error))
        outcome.exit = Exit.DEGRADED
    else:
        if written is hosts.Written.IN_PLACE:
            outcome.notes.append(
                f"{hosts_file} is a mount of its own, or nothing can be made beside it, so our block was written in "
                "place. A container's is made anew when the container starts: give the aliases with --add-host there, "
                "or activate again."
            )
    outcome.notes += hosts.troubles(hosts_file, block)


def needs_restart(before: Generation | None, now: Generation) -> bool:
    """Whether a file differs that Asterisk reads at its start alone: PJSIP transports do not reload."""
    if before is None:
        return False
    old, new = before.files().get(RESTART_FILE), now.files().get(RESTART_FILE)
    return old is not None and new is not None and old["sha256"] != new["sha256"]
