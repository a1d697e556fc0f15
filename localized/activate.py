"""Makes a role true on this machine: render, check, swap, reload, and wait until Asterisk's own lists show it.

Nothing is moved before everything that can be known beforehand is known: that the files are good, that Asterisk
reads them, that it answers, and that its modules are there. What was reloaded is kept in state, so that a run that
was killed is completed by the next one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ami_watcher.errors import AmiError
from ami_watcher.expected import resolved, to_resolve, wanted
from ami_watcher.lists import Lists, lists_of
from ami_watcher.session import Session
from host.atomic import replace_file
from host.exits import Exit
from host.places import Places
from localized import hosts, reload, right
from localized.compare import Comparison, compare, worth_waiting_for
from localized.errors import AsteriskUnreachable, LocalizedError, NotActivatable, NotWritable
from localized.generations import Generation, Store
from localized.prepare import BUSY_S, Prepared
from localized.problem import Weight
from localized.role import Role
from localized.working import working
from pair import Asterisk, Pair, read_secret

POLL_S: Final = 0.2
KICK_AFTER_S: Final = 2.0
"""A registration that was refused is tried again after this, then after twice as long, and so on."""
MODULES: Final = {"sip": "chan_sip.so", "iax2": "chan_iax2.so", "pjsip": "res_pjsip.so"}
RESTART_FILE: Final = "asterisk/pjsip-address.conf"

Progress = Callable[[str], None]


class Halfway(LocalizedError):
    """The swap was made, and Asterisk could not be made to follow; the same command completes it."""

    exit_code = Exit.HALFWAY


@dataclass(slots=True)
class Outcome:
    """What an activation came to.

    Attributes:
        exit: exit code.
        role, machine, generation: what is active now.
        comparison: expected registrations and found ones; None where Asterisk was not asked.
        reloaded: modules that were asked to reload.
        notes: what a person should know, one sentence each.
        next: what to type next.
        seconds: from the swap to the end.
    """

    role: Role
    machine: str
    generation: str
    exit: Exit = Exit.DONE
    comparison: Comparison | None = None
    reloaded: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    next: str = "nothing to do"
    seconds: float = 0.0


def activate(
    places: Places,
    pair: Pair,
    machine: str,
    prepared: Prepared,
    *,
    asterisk: bool = True,
    hosts_file: Path | None = None,
    progress: Progress = lambda _: None,
) -> Outcome:
    """Swaps to a prepared generation, reloads what changed, and verifies. The caller has proven the right.

    Args:
        asterisk: False: swap alone, for a machine whose Asterisk is known not to run.
        hosts_file: /etc/hosts, to hold our block; None leaves it alone.
        progress: told what is being waited for.

    Raises:
        NotActivatable, NotWritable, AsteriskUnreachable: the active generation is untouched.
        Halfway: swapped, and Asterisk did not follow.
        LockHeld: another process is at it, for longer than prepare.BUSY_S.
    """
    with working(places, f"activating {prepared.generation.name}", wait_s=BUSY_S):
        return _activate(places, pair, machine, prepared, asterisk, hosts_file, progress)


def _activate(
    places: Places,
    pair: Pair,
    machine: str,
    prepared: Prepared,
    asterisk: bool,
    hosts_file: Path | None,
    progress: Progress,
) -> Outcome:
    stopping = [str(problem) for problem in prepared.problems if problem.weight is Weight.STOPS]
    if stopping:
        raise NotActivatable(
            "Nothing was activated, because Asterisk would not do what pair.toml says:\n"
            + "\n".join("  " + line.replace("\n", "\n  ") for line in stopping)
            + f"\nMend {'it' if len(stopping) == 1 else 'them'}, then try again; "
            "render-localized --check looks without activating."
        )
    role = prepared.generation.role
    outcome = Outcome(role, machine, prepared.generation.name)
    outcome.notes += [str(problem) for problem in prepared.problems if problem.weight is not Weight.STOPS]
    watch = _Watch(places, pair, machine, role)
    if asterisk:
        progress("asking Asterisk whether it answers")
        try:
            watch.look_before()
        except AsteriskUnreachable as error:
            if role is not Role.STANDBY:
                raise
            raise AsteriskUnreachable(
                f"{error}\nTo make it start as standby all the same: "
                "render-localized --role standby --activate --without-asterisk"
            ) from error
    store = Store(places)
    before = store.pointed_to("current")
    loaded = _Loaded(places)
    modules = _modules_to_reload(store, loaded, prepared.generation)
    uncertain = loaded.name() is None
    started = time.monotonic()
    loaded.forget()
    store.activate(prepared.generation)
    if role is Role.STANDBY:
        right.withdraw_word(places)
    _write_hosts(prepared.generation, hosts_file, outcome)
    if asterisk:
        if uncertain:
            _touch(store, prepared.generation, modules)
        _follow(watch, store, prepared.generation, modules, outcome, progress)
        loaded.remember(prepared.generation)
        if needs_restart(before, prepared.generation):
            outcome.notes.append(
                "The external address of the PJSIP transports has changed, and transports do not reload. "
                "When no call is up: asterisk -rx 'core restart gracefully'"
            )
    else:
        outcome.notes.append("Asterisk was not asked; it reads this generation when it starts.")
        outcome.next = f"start Asterisk, then: render-localized --role {role.value} --activate, which proves it"
    outcome.seconds = time.monotonic() - started
    store.prune()
    return outcome


def reload_active(places: Places, pair: Pair, machine: str, *, progress: Progress = lambda _: None) -> Outcome:
    """Reloads every module that reads the active generation, and verifies it.

    Raises:
        NotActivatable: nothing is active. AsteriskUnreachable, Halfway.
    """
    store = Store(places)
    active = store.pointed_to("current")
    if active is None:
        raise NotActivatable(
            f"{places.localized / 'current'} points to no generation, so there is nothing to reload. "
            "Type: render-localized --role standby --activate"
        )
    watch = _Watch(places, pair, machine, active.role)
    watch.look_before()
    outcome = Outcome(active.role, machine, active.name)
    started = time.monotonic()
    modules = {module for file in active.files().values() if (module := file["reload"])}
    if _Loaded(places).name() != active.name:
        _touch(store, active, modules)
    _follow(watch, store, active, sorted(modules), outcome, progress)
    _Loaded(places).remember(active)
    outcome.seconds = time.monotonic() - started
    return outcome


def _follow(
    watch: _Watch, store: Store, generation: Generation, modules: Iterable[str], outcome: Outcome, progress: Progress
) -> None:
    try:
        here = watch.loaded_modules()
        for module in modules:
            if module in _CHANNEL_OF and _CHANNEL_OF[module] not in here:
                # Nothing of it can register; where something should, look_before has said so.
                continue
            progress(f"reloading {module}")
            try:
                reload.reload_module(watch.asterisk, module)
            except AsteriskUnreachable as error:
                if module in _CHANNEL_OF:
                    raise
                # The dialplan's role, or an admin's own file: no reason to stop between swap and proof.
                outcome.notes.append(str(error))
                outcome.exit = Exit.DEGRADED
            else:
                outcome.reloaded.append(module)
        outcome.comparison = asyncio.run(watch.until_settled(store, generation, progress))
        found = reload.dialplan_role(watch.asterisk)
        if found is not None and found != generation.role.value:
            outcome.notes.append(f"The dialplan still says HOTSTANDBY_ROLE={found}: another file sets it.")
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
    _judge(watch, outcome)


def _touch(store: Store, generation: Generation, modules: Iterable[str]) -> None:
    """Asterisk remembers the stat of a file whose load failed: only a new mtime makes it read that file again."""
    wanted_by = set(modules)
    store.touch(generation, [path for path, file in generation.files().items() if file["reload"] in wanted_by])


def _judge(watch: _Watch, outcome: Outcome) -> None:
    """Exit code, notes and the next command, from what was found."""
    found = outcome.comparison
    assert found is not None
    again = f"render-localized --role {outcome.role.value} --activate"
    if found.unwanted:
        names = ", ".join(row.wanted.trunk for row in found.unwanted)
        outcome.exit = Exit.FAILED
        outcome.notes.append(f"{names} must not register as {outcome.role.value}, and Asterisk still lists it.")
        outcome.next = f"render-localized --check, which says what registers it; then {again}"
        return
    required = [row.wanted.trunk for row in found.missing if row.wanted.required]
    for row in found.missing:
        outcome.notes.append(_what_will_happen(watch, row.wanted.trunk, refused=row.refused))
    if required:
        outcome.exit = Exit.FAILED
        outcome.next = f"look at what the carrier says, then {again} (or --rollback, where the peer serves)"
    elif found.missing:
        outcome.exit = Exit.DEGRADED
        outcome.next = "render-localized --reload, which tries again and verifies"
    if found.foreign and outcome.role is Role.STANDBY:
        names = ", ".join(str(one) for one in found.foreign)
        outcome.notes.append(
            f"Asterisk registers {names}, which pair.toml does not know, on a standby. Make it a trunk with "
            'account = "per-machine", or remove it.'
        )
        outcome.exit = Exit.FAILED if outcome.exit is Exit.FAILED else Exit.DEGRADED
    elif found.foreign:
        outcome.notes.append(f"Not in pair.toml, and left alone: {', '.join(str(one) for one in found.foreign)}.")


def _what_will_happen(watch: _Watch, trunk: str, *, refused: bool) -> str:
    key = watch.pair.trunk_on(trunk, watch.machine)
    if key.second_registration == "refused":
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + key.expiry_s))
        return (
            f"{trunk}: its carrier refuses a second registration until {watch.peer}'s binding ends, in at most "
            f"{key.expiry_s} s ({until}). ami-watcher tries again by itself."
        )
    if refused and key.channel == "sip":
        return (
            f"{trunk}: the carrier refused it, and chan_sip gives up after a refusal. ami-watcher kicks it again; "
            "by hand: render-localized --reload"
        )
    if refused:
        return f"{trunk}: the carrier refused it. Asterisk goes on trying; look at its user name and secret."
    return f"{trunk}: no answer from {key.host} yet. Asterisk goes on trying."


class _Watch:
    """Asterisk's lists, beside what they should show."""

    def __init__(self, places: Places, pair: Pair, machine: str, role: Role) -> None:
        self.pair = pair
        self.machine = machine
        self.peer = pair.peer_of(machine)
        self.asterisk: Asterisk = pair.asterisk_on(machine)
        side: Literal["primary", "standby"] = "primary" if role is Role.PRIMARY else "standby"
        self.wanted = wanted(pair, machine, side)
        self._secret = read_secret(places, self.asterisk.ami.secret_file)
        self._by_design = frozenset(
            trunk for trunk in pair.trunks if pair.trunk_on(trunk, machine).second_registration == "refused"
        )
        self._lists: Lists | None = None
        self._kicked: list[str] = []

    def look_before(self) -> None:
        """Proves that Asterisk answers, on both of its sides, and has the modules that the role needs.

        Raises:
            AsteriskUnreachable
        """
        reload.wait_until_booted(self.asterisk)
        try:
            self._lists = asyncio.run(self._once())
        except AmiError as error:
            raise AsteriskUnreachable(f"{error} Nothing was changed.") from error
        missing = sorted({trunk.channel for trunk in self.wanted if trunk.here} - self._lists.modules)
        if missing:
            words = ", ".join(f"{_MODULE_WORDS[channel]} ({_names(self.wanted, channel)})" for channel in missing)
            gone = " chan_sip ended with Asterisk 20." if "sip" in missing else ""
            raise AsteriskUnreachable(
                f"Asterisk {self._lists.version} does not have what these trunks register with: {words}.{gone} "
                "Load it (asterisk -rx 'module load …', modules.conf), or give the trunk another channel for this "
                f"machine in pair.toml: [trunks.X.machines.{self.machine}]. Nothing was changed."
            )

    def loaded_modules(self) -> frozenset[str]:
        """Channels that Asterisk can register with."""
        return self._lists.modules if self._lists is not None else frozenset()

    async def _once(self) -> Lists:
        session = await self._open()
        try:
            return await lists_of(session, deadline_s=self.asterisk.reload_deadline_s)
        finally:
            await session.close()

    async def _open(self) -> Session:
        session = Session(self.asterisk.ami, self._secret, wanted=(), events="off")
        await session.open(deadline_s=self.asterisk.reload_deadline_s)
        return session

    async def until_settled(self, store: Store, generation: Generation, progress: Progress) -> Comparison:
        """Polls until the lists are as expected, or the deadline; the last comparison either way."""
        addresses = await resolved(to_resolve(self.wanted), deadline_s=2.0)
        session = await self._open()
        started = time.monotonic()
        kick_at, pause = started + KICK_AFTER_S, KICK_AFTER_S
        try:
            while True:
                lists = await lists_of(session, deadline_s=self.asterisk.reload_deadline_s)
                found = compare(self.wanted, lists, addresses)
                now = time.monotonic()
                if found.settled or now - started > self.asterisk.register_deadline_s:
                    return found
                if not worth_waiting_for(found, self._by_design):
                    return found
                progress(_waiting_for(found))
                if now >= kick_at:
                    await asyncio.to_thread(self._kick, found, store, generation)
                    pause *= 2
                    kick_at = time.monotonic() + pause
                await asyncio.sleep(POLL_S)
        finally:
            await session.close()

    def _kick(self, found: Comparison, store: Store, generation: Generation) -> None:
        """Starts again what its driver has given up, and makes Asterisk read what it has not read."""
        modules = {MODULES[row.wanted.channel] for row in found.not_loaded if row.loaded}
        modules |= {
            MODULES[row.wanted.channel] for row in found.missing if row.refused and row.wanted.channel != "pjsip"
        }
        unread = {MODULES[row.wanted.channel] for row in found.not_loaded}
        for module in sorted(modules):
            # chan_sip sends its registrations anew without being given a new file, and does not drop the good ones.
            if module in unread or module != MODULES["sip"]:
                _touch(store, generation, [module])
            reload.reload_module(self.asterisk, module)
        for row in found.missing:
            if row.refused and row.wanted.channel == "pjsip":
                reload.rx(self.asterisk, f"pjsip send register {row.wanted.trunk}")


_CHANNEL_OF: Final = {module: channel for channel, module in MODULES.items()}
_MODULE_WORDS: Final = {"sip": "chan_sip", "iax2": "chan_iax2", "pjsip": "res_pjsip_outbound_registration"}


def _names(all_wanted: Iterable[Any], channel: str) -> str:
    return ", ".join(trunk.trunk for trunk in all_wanted if trunk.here and trunk.channel == channel)


def _waiting_for(found: Comparison) -> str:
    waiting = [f"{row.wanted.trunk} ({row.state})" for row in found.rows if not row.as_expected]
    shown = ", ".join(waiting[:4]) + (f" and {len(waiting) - 4} more" if len(waiting) > 4 else "")
    return f"waiting for {shown}"


def _modules_to_reload(store: Store, loaded: _Loaded, target: Generation) -> list[str]:
    """Modules whose files differ from what Asterisk has read for certain; all of them where that is not known."""
    files = target.files()
    before = next((found for found in store.all() if found.name == loaded.name()), None)
    read = before.files() if before is not None else {}
    changed = {
        file["reload"]
        for path, file in files.items()
        if file["reload"] and (path not in read or read[path]["sha256"] != file["sha256"])
    }
    changed |= {file["reload"] for path, file in read.items() if file["reload"] and path not in files}
    return sorted(changed)


class _Loaded:
    """Which generation Asterisk has certainly read whole; forgotten before each swap."""

    def __init__(self, places: Places) -> None:
        self._file = places.state / "localized-loaded.json"

    def name(self) -> str | None:
        try:
            return str(json.loads(self._file.read_bytes())["generation"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget(self) -> None:
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            raise NotWritable(
                f"{self._file} cannot be removed: {error.strerror}. The active generation is untouched."
            ) from None

    def remember(self, generation: Generation) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._file, json.dumps({"generation": generation.name}).encode() + b"\n")
        except OSError:
            # Not known is the safe side: the next run reloads everything.
            return


def forget_loaded(places: Places) -> None:
    """For whoever swaps and reloads without `activate`: the next activation reloads every module.

    Raises:
        NotWritable
    """
    _Loaded(places).forget()


def _write_hosts(generation: Generation, hosts_file: Path | None, outcome: Outcome) -> None:
    if hosts_file is None:
        return
    block = (generation.path / "hosts").read_bytes() if (generation.path / "hosts").exists() else b""
    try:
        hosts.apply(hosts_file, block)
    except NotWritable as error:
        outcome.notes.append(str(error))
        outcome.exit = Exit.DEGRADED
    rewriter = hosts.cloud_init_rewrites() if block else None
    if rewriter is not None:
        outcome.notes.append(
            f"cloud-init rewrites /etc/hosts at every boot (manage_etc_hosts in {rewriter}) and would drop our block. "
            "Set manage_etc_hosts: false there."
        )


def needs_restart(before: Generation | None, now: Generation) -> bool:
    """Whether a file differs that Asterisk reads at its start alone: PJSIP transports do not reload."""
    if before is None:
        return False
    old, new = before.files().get(RESTART_FILE), now.files().get(RESTART_FILE)
    return old is not None and new is not None and old["sha256"] != new["sha256"]
