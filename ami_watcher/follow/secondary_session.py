"""Second AMI session for slow actions, so that polling never waits.

Phones are listed over it, which can be many, and registrations that Asterisk has given up are asked for again. Where
manager.conf allows one login only, all this takes turns with the first session's polls, on that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, NoReturn

from ami_watcher.ami.backoff import Backoff
from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.ami.errors import ActionRefused, ListIncomplete, LoginInUse, PrivilegeMissing
from ami_watcher.ami.message import AmiMessage
from ami_watcher.ami.session import AmiSession
from ami_watcher.event import LinkState
from ami_watcher.follow.asterisk_state import AsteriskState
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.phones.contact import CONTACT_LISTS, contacts_from
from ami_watcher.registrations.reregister import ReregistrationSchedule
from host.errors import HotstandbyError

log = logging.getLogger(__name__)

CLOSEST_CONTACTS_S: Final = 2.0
REFUSED_S: Final = 3.0
"""Asterisk waits a second before it says that a login is refused (main/manager.c); this is not urgent."""


class SecondarySession:
    """Lists phones and re-registers, in rounds of their own beside the primary session's.

    Args:
        ami: where Asterisk's AMI is; may be set anew.
        secret: gives the secret; may raise HotstandbyError.
        settings: durations; may be set anew.
        state: what is known of that Asterisk.
        may_register: why this machine may not register on shared accounts now, or None when it may.
        poll_now: has the lists of registrations read at once.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        ami: AmiEndpoint,
        secret: Callable[[], str],
        settings: FollowSettings,
        state: AsteriskState,
        *,
        may_register: Callable[[], str | None],
        poll_now: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ami = ami
        self.settings = settings
        self.wake_contacts = asyncio.Event()
        """Set it to have phones listed soon."""
        self._secret = secret
        self._state = state
        self._may_register = may_register
        self._poll_now = poll_now
        self._clock = clock
        self._schedule = ReregistrationSchedule(after_s=settings.reregister_after_s)
        self._session: AmiSession | None = None
        self._session_made = asyncio.Lock()
        self.primary_turn = asyncio.Lock()
        """Held by whoever uses the primary session: Asterisk answers one action of it after the other."""
        self._primary: AmiSession | None = None
        self._only_primary = False

    def set_primary(self, primary: AmiSession) -> None:
        """From now on, beside this session; it is used as well if Asterisk allows no other."""
        self._primary, self._only_primary = primary, False

    async def contact_rounds(self) -> NoReturn:
        """Lists phones again and again."""
        backoff = Backoff(self.settings.retry_first_s * 4, self.settings.retry_most_s * 3)
        while True:
            pause, began = self.settings.contacts_poll_s, self._clock()
            self.wake_contacts.clear()
            try:
                await self._read_contacts()
                self._state.contacts_problem = ""
                backoff.reset()
            except HotstandbyError as error:
                # The registrations go on; only the phones are not known.
                self._state.contacts_problem = f"phones cannot be listed: {error}"
                await self.close()
                pause = backoff.pause_s()
            except Exception as error:
                # Phones choose most of what is read here; whatever they choose, the registrations are followed.
                log.exception("The list of phones could not be read")
                self._state.contacts_problem = f"phones cannot be listed: {type(error).__name__}, see the log"
                pause = backoff.pause_s()
            # Many phones are not listed back to back, however often one of them registers.
            took = self._clock() - began
            closest = max(CLOSEST_CONTACTS_S, min(20 * took, self.settings.contacts_poll_s))
            await asyncio.sleep(closest)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause - closest, 0.0)):
                    await self.wake_contacts.wait()

    async def reregistration_rounds(self) -> NoReturn:
        """Looks again and again for registrations that Asterisk has given up."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            if self.settings.reregister and self._state.link is LinkState.SYNCED:
                await self._reregister()

    async def close(self) -> None:
        """Closes the session; the next action opens another."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _read_contacts(self) -> None:
        items: list[AmiMessage] = []
        denied: PrivilegeMissing | None = None
        for action in CONTACT_LISTS:
            try:
                async with self._opened() as session:
                    items += await session.listing(action, deadline_s=max(self.settings.answer_s, 10.0))
            except PrivilegeMissing as error:
                denied = error
            except ListIncomplete:
                raise
            except ActionRefused:
                # Not loaded, or "No Contacts found".
                continue
        # Ten thousand take a moment, in which the registrations are to be followed.
        self._state.contacts_listed(await asyncio.to_thread(contacts_from, items))
        if denied is not None:
            raise denied

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[AmiSession]:
        session = await self._open()
        if session is not self._primary:
            yield session
            return
        async with self.primary_turn:
            yield session

    async def _open(self) -> AmiSession:
        async with self._session_made:
            primary = None if self._primary is None or self._primary.ended.done() else self._primary
            if self._only_primary and primary is not None:
                return primary
            if self._session is None or self._session.ended.done():
                session = AmiSession(self.ami, self._secret(), wanted=(), events="off")
                try:
                    await session.open(deadline_s=max(self.settings.answer_s, REFUSED_S))
                except LoginInUse:
                    if primary is None:
                        raise
                    # Not tried again beside this one: Asterisk takes a second for each refusal, and logs it.
                    self._only_primary = True
                    return primary
                self._session = session
            return self._session

    async def _reregister(self) -> None:
        forbidden = self._may_register()
        registry = self._state.registry
        was = {one.expected.trunk: one.registration.state.value for one in registry.trunk_statuses}
        self._schedule.after_s = self.settings.reregister_after_s
        due = self._schedule.due(
            registry.trunk_statuses,
            self._clock(),
            may_shared=forbidden is None,
            unexpected=registry.unexpected,
        )
        for again in due:
            try:
                async with self._opened() as session:
                    await session.action(again.action, *again.fields, deadline_s=self.settings.answer_s)
            except HotstandbyError as error:
                log.warning("re-registering %s failed: %s", ", ".join(again.trunks), error)
                continue
            for trunk in again.trunks:
                log.warning("re-registering %s with %s: %s", trunk, again.done, again.why)
                self._state.reregistered(trunk, was[trunk], again.done, again.why)
            self._poll_now()
