"""Asterisk's lists, read over AMI until they are as they should be; what its driver has given up is asked for
again (retry.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from ami_watcher.ami.errors import AmiError
from ami_watcher.ami.session import AmiSession
from ami_watcher.ami.shared_login import open_session
from ami_watcher.registrations.expected import (
    ExpectedRegistration,
    expected_registrations,
    hosts_to_resolve,
    resolve_hosts,
)
from ami_watcher.registrations.lists import RegistrationLists, list_registrations
from host.places import Places
from localized.activation.comparison import Comparison, TrunkComparison, compare, worth_waiting_for
from localized.activation.reload_state import CHANNEL_OF, MODULES, touch, touch_own
from localized.activation.retry import RetrySchedule
from localized.asterisk import reload
from localized.errors import AsteriskUnreachable
from localized.generations.generation import Generation
from localized.generations.store import GenerationStore
from localized.role import Role
from pair import Asterisk, Pair, read_secret

POLL_S: Final = 0.2
"""The lists are read again after this, and at once when a registration changes."""
LEAST_PAUSE_S: Final = 0.01
"""Between two reads of the lists, or as long as a read takes: 5,000 trunks change one after the other."""

Progress = Callable[[str], None]


class RegistrationWait:
    """Asterisk's lists, beside what they should show."""

    def __init__(self, places: Places, pair: Pair, machine: str, role: Role) -> None:
        """
        Raises:
            SecretUnusable: that of the AMI user.
        """
        self._places = places
        self._machine = machine
        self.asterisk: Asterisk = pair.asterisk_on(machine)
        side: Literal["primary", "standby"] = "primary" if role is Role.PRIMARY else "standby"
        self.wanted = expected_registrations(pair, machine, side)
        self._secret = read_secret(places, self.asterisk.ami.secret_file)
        self._by_design = frozenset(
            trunk for trunk in pair.trunks if pair.trunk_on(trunk, machine).second_registration == "refused"
        )
        self._lists: RegistrationLists | None = None
        self.asked_again: tuple[str, ...] = ()
        """Trunks that were refused before this run and were asked for again in it."""
        self._reloading = threading.Lock()

    @property
    def channels(self) -> frozenset[str]:
        """Those that some trunk registers over, in either role."""
        return frozenset(trunk.channel for trunk in self.wanted)

    def reload(self, module: str) -> None:
        """Reloads a module, when no other one is being reloaded: Asterisk refuses two at once.

        Raises:
            AsteriskUnreachable
        """
        with self._reloading:
            reload.reload_module(self.asterisk, module)

    def read_before(self) -> None:
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
                f"machine in pair.toml: [trunks.X.machines.{self._machine}]. Nothing was changed."
            )

    def loaded_modules(self) -> frozenset[str]:
        """Channels that Asterisk can register with."""
        return self._lists.modules if self._lists is not None else frozenset()

    async def _once(self) -> RegistrationLists:
        session = await self._open()
        try:
            return await list_registrations(session, deadline_s=self.asterisk.reload_deadline_s)
        finally:
            await session.close()

    async def _open(self, changed: asyncio.Event | None = None) -> AmiSession:
        """A session that is logged in.

        Args:
            changed: set at each change of a registration; Asterisk tells nobody without `read = system`.
        """
        events, names = ("off", ()) if changed is None else ("system", ("Registry",))

        def made() -> AmiSession:
            session = AmiSession(self.asterisk.ami, self._secret, wanted=names, events=events)
            if changed is not None:
                session.register_event("Registry", lambda *_: changed.set())
            return session

        return await open_session(made, self._places, deadline_s=self.asterisk.reload_deadline_s)

    async def until_settled(
        self, store: GenerationStore, generation: Generation, progress: Progress, *, reloaded: Iterable[str] = ()
    ) -> Comparison:
        """Reads the lists until they are as expected, or the deadline; the last comparison either way.

        What a carrier refused before this run is asked for again, once, before anything is made of that refusal:
        whoever types a command again wants it tried again. What PJSIP tries by itself is left to it: retry.py.

        Args:
            store: where generations are.
            generation: the active one.
            progress: told what is being waited for.
            reloaded: modules that were reloaded in this run, so that what they list is an answer to that.
        """
        addresses = await resolve_hosts(hosts_to_resolve(self.wanted), deadline_s=2.0)
        changed = asyncio.Event()
        session = await self._open(changed)
        started = time.monotonic()
        deadline = started + self.asterisk.register_deadline_s
        new = {CHANNEL_OF[module] for module in reloaded if module in CHANNEL_OF}
        retry = RetrySchedule(self._lists, new, started)
        answered_by: float | None = None
        try:
            while True:
                changed.clear()
                asked = time.monotonic()
                lists = await list_registrations(session, deadline_s=self.asterisk.reload_deadline_s)
                found = compare(self.wanted, lists, addresses)
                now = time.monotonic()
                due = retry.due(found, now)
                if answered_by is None:
                    answered_by = retry.answered_by(now)
                    self.asked_again = retry.asked
                if found.settled or now > retry.until(found, deadline):
                    return found
                if now >= answered_by and not worth_waiting_for(found, self._by_design):
                    return found
                progress(_waiting_for(found))
                if due.again:
                    progress(f"asking again for {', '.join(row.wanted.trunk for row in due.again)}")
                if due.reread or due.again:
                    await asyncio.to_thread(self._ask, due.reread, due.again, store, generation)
                await asyncio.sleep(max(LEAST_PAUSE_S, time.monotonic() - asked))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await changed.wait()
        finally:
            await session.close()

    def _ask(
        self, reread: Sequence[str], rows: Sequence[TrunkComparison], store: GenerationStore, generation: Generation
    ) -> None:
        """Makes Asterisk read what it has not read, and has the other registrations sent again."""
        for channel in reread:
            touch(store, generation, [MODULES[channel]])
            touch_own(self.asterisk, [MODULES[channel]])
            self.reload(MODULES[channel])
        channels = {row.wanted.channel for row in rows} - set(reread)
        if "sip" in channels:
            # It sends its registrations anew without being given a new file, and does not drop the good ones.
            self.reload(MODULES["sip"])
        if "iax2" in channels:
            touch(store, generation, [MODULES["iax2"]])
            self.reload(MODULES["iax2"])
        for row in rows:
            if row.wanted.channel in channels and row.wanted.channel == "pjsip":
                reload.rx(self.asterisk, f"pjsip send register {row.wanted.trunk}")


_MODULE_WORDS: Final = {"sip": "chan_sip", "iax2": "chan_iax2", "pjsip": "res_pjsip_outbound_registration"}


def _names(all_wanted: Sequence[ExpectedRegistration], channel: str) -> str:
    return ", ".join(trunk.trunk for trunk in all_wanted if trunk.here and trunk.channel == channel)


def _waiting_for(found: Comparison) -> str:
    waiting = [f"{row.wanted.trunk} ({row.state})" for row in found.rows if not row.as_expected]
    shown = ", ".join(waiting[:4]) + (f" and {len(waiting) - 4} more" if len(waiting) > 4 else "")
    return f"waiting for {shown}"
