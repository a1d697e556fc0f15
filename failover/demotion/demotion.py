"""Makes this machine standby, and proves it; an Asterisk that does not obey in time is killed.

It waits for nothing: not for the journal, not for a disk that is full, not for a lock, not for a network. What
cannot be done on the way is noted, and what follows makes up for it: without a fence the swap, without the swap the
kill, and the fence stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from failover.context import Context
from failover.demotion import killing
from failover.errors import FailoverError, NotProven
from failover.peer.messages import PeerRegistration
from failover.probes import own_asterisk
from failover.probes.asterisk_process import find_asterisk
from failover.state import fenced, local_state, right
from host.atomic import swap_symlink
from host.errors import HotstandbyError
from localized.activation.reload_state import MODULES, forget_reload_state
from localized.asterisk.log import AsteriskLog
from localized.asterisk.refusals import words_of
from localized.asterisk.reload import reload_module, wait_until_booted
from localized.errors import AsteriskUnreachable
from localized.generations.generation import Generation
from localized.generations.store import GenerationStore
from localized.prepare import prepare
from localized.role import Role

CONSOLE_S: Final = 4.0
"""Seconds for one command to Asterisk: its own reload deadline is for a promotion, which can wait."""
OBEY_S: Final = 8.0
"""Seconds from the reload until the lists must show no shared account; 0.3 s are usual."""
REFUSES_S: Final = 1.0
"""Seconds from the reload until an Asterisk whose own log says that it refused the files is waited for no more."""
POLL_S: Final = 0.1
UNREGISTERS: Final = frozenset({"pjsip"})
"""Channels that take their binding at the carrier back when a registration is removed; chan_sip and IAX2 never do."""


@dataclass(frozen=True, slots=True)
class DemotionResult:
    """How a demotion ended.

    Attributes:
        proven: this machine provably registers on no shared account.
        words: the proof, or why there is none, with what to do.
        killed: process ids that were killed.
        left: trunk -> seconds that its binding may still live at the carrier, which nobody can remove.
        notes: what went wrong on the way, and was made up for.
        seconds: how long it took.
    """

    proven: bool
    words: str
    killed: tuple[int, ...]
    left: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    seconds: float


def demote(context: Context, why: str, *, progress: Callable[[str], None] = lambda _: None) -> DemotionResult:
    """Becomes standby. Doing it twice is doing it once.

    Args:
        why: for people; written into the fence.
        progress: told what is being done, in words.
    """
    work = _Demotion(context, progress)
    return work.run(why)


class _Demotion:
    def __init__(self, context: Context, progress: Callable[[str], None]) -> None:
        self._context = context
        self._say = progress
        self._store = GenerationStore(context.places)
        self._notes: list[str] = []
        self._asterisk = context.asterisk.model_copy(
            update={"reload_deadline_s": min(CONSOLE_S, context.asterisk.reload_deadline_s)}
        )
        self._before: tuple[PeerRegistration, ...] = ()

    def run(self, why: str) -> DemotionResult:
        started = time.monotonic()
        places = self._context.places
        self._try("the fence was not set", lambda: fenced.fence(places, why))
        self._try("the right was not taken", lambda: right.revoke(places))
        self._say("swapping to standby")
        swapped = self._swap()
        killed: tuple[int, ...] = ()
        try:
            if not swapped:
                raise NotProven("the standby files could not be made active")
            words = self._obey()
        except Exception as disobeyed:
            # Whatever it is, a defect of ours included: it must not leave this machine registered.
            self._say(f"killing Asterisk: {disobeyed}")
            self._notes.append(f"Asterisk was killed: {disobeyed}")
            try:
                ended = killing.kill_asterisk(self._context.asterisk)
                words = killing.proven_gone(self._context.asterisk)
            except FailoverError as error:
                return self._outcome(started, False, f"{self._context.machine} is not proven standby: {error}", ())
            killed = tuple(process.pid for process in ended)
        standby = local_state.role_of(places)[0] == "standby"
        if standby:
            # From now on a start registers nothing.
            self._try("the fence was not lifted", lambda: fenced.lift(places))
        else:
            words += f"; the fence {fenced.path(places)} stays, because a start would still register"
        if killed and standby:
            words += "; start it as standby with: systemctl start asterisk"
        return self._outcome(started, True, f"{self._context.machine} is standby: {words}", killed)

    def _swap(self) -> bool:
        active = self._store.pointed_to("current")
        if active is not None and active.role is Role.STANDBY:
            return True
        target = self._store.newest(Role.STANDBY) or self._rendered()
        if target is None:
            return False
        if self._try("the swap did not go as usual", lambda: self._store.activate(target)):
            return True
        # `previous` may be what could not be written; `current` alone is what counts.
        link = self._store.root / "current"
        return self._try("the swap failed", lambda: swap_symlink(link, f"generations/{target.name}"))

    def _rendered(self) -> Generation | None:
        context = self._context
        try:
            return prepare(context.places, context.pair, context.machine, Role.STANDBY).generation
        except (HotstandbyError, OSError) as error:
            self._notes.append(f"no standby generation is on disk, and none can be rendered: {error}")
            return None

    def _obey(self) -> str:
        """Asterisk's own lists as the proof.

        Raises:
            NotProven, AsteriskUnreachable
        """
        if not find_asterisk(self._context.asterisk):
            return killing.proven_gone(self._context.asterisk)
        self._say("reloading")
        wait_until_booted(self._asterisk)
        lists, unread = own_asterisk.read_lists(self._context)
        if lists is None:
            raise NotProven(f"its registrations cannot be read: {unread}")
        self._before = own_asterisk.registrations_of_trunks(self._context, lists)
        log = AsteriskLog(self._asterisk)
        begun = time.monotonic()
        until = begun + OBEY_S
        self._reload(lists.modules)
        while True:
            lists, unread = own_asterisk.read_lists(self._context)
            if lists is None:
                raise NotProven(f"its registrations cannot be read: {unread}")
            held = [one.trunk for one in own_asterisk.registrations_of_trunks(self._context, lists) if one.shared]
            role = local_state.role_of(self._context.places)[0]
            refused = tuple(one for trunk in held for one in log.findings().keeping(self._channel(trunk)))
            if not held and role == "standby":
                if others := log.findings().refusals:
                    self._notes.append(f"Asterisk did not take everything: {words_of(others)}")
                return "its Asterisk lists no shared account"
            if refused and role == "standby" and time.monotonic() > begun + REFUSES_S:
                raise NotProven(
                    f"it still lists {', '.join(held)}, and refuses what would end that: {words_of(refused)}"
                )
            if time.monotonic() > until:
                raise NotProven(f"it still lists {', '.join(held) or 'nothing, with primary files active'}")
            if role != "standby":
                # Somebody activated primary at the same moment; the right is gone, so this ends here.
                self._swap()
                self._reload(lists.modules)
            time.sleep(POLL_S)

    def _reload(self, channels: frozenset[str]) -> None:
        """Makes Asterisk read what is active; for each channel that it has, and not by stat alone.

        PJSIP comes last: it alone takes its bindings back, and from then on nobody answers until the other machine
        registers. What chan_sip and chan_iax2 leave behind goes on bringing calls here, which are answered.

        Raises:
            AsteriskUnreachable
        """
        active = self._store.pointed_to("current")
        if active is None:
            raise NotProven("no generation is active")
        self._try(
            "the next activation may reload less than it should", lambda: forget_reload_state(self._context.places)
        )
        absent = {module for channel, module in MODULES.items() if channel not in channels}
        files = {path: file["reload"] for path, file in active.files().items() if file["reload"]}
        for module in sorted(set(files.values()) - absent, key=_order):
            self._store.touch(active, [path for path, reader in files.items() if reader == module])
            try:
                reload_module(self._asterisk, module)
            except AsteriskUnreachable:
                if module in MODULES.values():
                    raise
                self._notes.append(f"{module} was not reloaded; it registers nothing")

    def _outcome(self, started: float, proven: bool, words: str, killed: tuple[int, ...]) -> DemotionResult:
        left = {
            one.trunk: one.expiry_s
            for one in self._before
            if one.shared and one.registered and (killed or self._channel(one.trunk) not in UNREGISTERS)
        }
        if left:
            said = ", ".join(f"{trunk} {seconds} s" for trunk, seconds in sorted(left.items()))
            words += f"; bindings that nobody can remove live at the carrier for up to: {said}"
        seconds = time.monotonic() - started
        return DemotionResult(proven, words, killed, tuple(sorted(left.items())), tuple(self._notes), seconds)

    def _channel(self, trunk: str) -> str:
        return self._context.pair.trunk_on(trunk, self._context.machine).channel

    def _try(self, what: str, act: Callable[[], object]) -> bool:
        try:
            act()
        except (HotstandbyError, OSError) as error:
            self._notes.append(f"{what}: {error}")
            return False
        return True


def _order(module: str) -> int:
    """When a module is reloaded in a demotion."""
    if module == MODULES["pjsip"]:
        return 2
    return 0 if module in MODULES.values() else 1
