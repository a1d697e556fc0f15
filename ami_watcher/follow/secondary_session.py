"""The second connection: what may take long, or changes something, goes over it and never holds up the first.

Phones are listed over it, which can be many, and registrations that Asterisk has given up are started again. Where
manager.conf allows one login only, all this takes turns with the first connection's polls, on that one.
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
from ami_watcher.follow.knowledge import AsteriskState
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.follow.snapshot import LinkState
from ami_watcher.follow.waiting import first_of
from ami_watcher.phones.contact import CONTACT_LISTS, contacts_from
from ami_watcher.registrations.reregister import ReregistrationSchedule
from host.errors import HotstandbyError

log = logging.getLogger(__name__)

CLOSEST_CONTACTS_S: Final = 2.0
REFUSED_S: Final = 3.0
"""Asterisk waits a second before it says that a login is refused (main/manager.c); this is not urgent."""


class SecondarySession:
    """What is done for one Asterisk beside following it.

    Args:
        ami: where Asterisk's AMI is; may be set anew.
        secret: gives the secret; may raise HotstandbyError.
        settings: durations; may be set anew.
        knowledge: of that Asterisk.
        may_register: why this machine may not register on shared accounts now, or None when it may.
        look_now: has the lists of registrations read at once.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        ami: AmiEndpoint,
        secret: Callable[[], str],
        settings: FollowSettings,
        knowledge: AsteriskState,
        *,
        may_register: Callable[[], str | None],
        look_now: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ami = ami
        self.settings = settings
        self.wake_contacts = asyncio.Event()
        """Set it to have phones listed soon."""
        self._secret = secret
        self._knowledge = knowledge
        self._may_register = may_register
        self._look_now = look_now
        self._clock = clock
        self._kicks = ReregistrationSchedule(after_s=settings.kick_after_s)
        self._session: AmiSession | None = None
        self._session_made = asyncio.Lock()
        self.turn = asyncio.Lock()
        """Held by whoever uses the first connection: Asterisk answers one action of it after the other."""
        self._first: AmiSession | None = None
        self._alone = False

    def beside(self, first: AmiSession) -> None:
        """From now on, beside this connection; it is used as well if Asterisk allows no other."""
        self._first, self._alone = first, False

    async def contact_rounds(self) -> NoReturn:
        """Lists phones again and again."""
        backoff = Backoff(self.settings.retry_first_s * 4, self.settings.retry_most_s * 3)
        while True:
            pause, began = self.settings.contacts_poll_s, self._clock()
            self.wake_contacts.clear()
            try:
                await self._read_contacts()
                self._knowledge.contacts_problem = ""
                backoff.reset()
            except HotstandbyError as error:
                # The registrations go on; only the phones are not known.
                self._knowledge.contacts_problem = f"phones cannot be listed: {error}"
                await self.end()
                pause = backoff.pause_s()
            except Exception as error:
                # Phones choose most of what is read here; whatever they choose, the registrations are followed.
                log.exception("The list of phones could not be read")
                self._knowledge.contacts_problem = f"phones cannot be listed: {type(error).__name__}, see the log"
                pause = backoff.pause_s()
            # Many phones are not listed back to back, however often one of them registers.
            took = self._clock() - began
            closest = max(CLOSEST_CONTACTS_S, min(20 * took, self.settings.contacts_poll_s))
            await asyncio.sleep(closest)
            await first_of(self.wake_contacts, timeout_s=max(pause - closest, 0.0))

    async def kick_rounds(self) -> NoReturn:
        """Looks again and again for registrations that Asterisk has given up."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            if self.settings.kick and self._knowledge.link is LinkState.SYNCED:
                await self._kick()

    async def end(self) -> None:
        """Closes the connection; the next errand makes another."""
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
        self._knowledge.contacts_listed(await asyncio.to_thread(contacts_from, items))
        if denied is not None:
            raise denied

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[AmiSession]:
        session = await self._open()
        if session is not self._first:
            yield session
            return
        async with self.turn:
            yield session

    async def _open(self) -> AmiSession:
        async with self._session_made:
            first = None if self._first is None or self._first.ended.done() else self._first
            if self._alone and first is not None:
                return first
            if self._session is None or self._session.ended.done():
                session = AmiSession(self.ami, self._secret(), wanted=(), events="off")
                try:
                    await session.open(deadline_s=max(self.settings.answer_s, REFUSED_S))
                except LoginInUse:
                    if first is None:
                        raise
                    # Not tried again beside this one: Asterisk takes a second for each refusal, and logs it.
                    self._alone = True
                    return first
                self._session = session
            return self._session

    async def _kick(self) -> None:
        forbidden = self._may_register()
        registry = self._knowledge.registry
        was = {one.wanted.trunk: one.registration.state.value for one in registry.standing}
        self._kicks.after_s = self.settings.kick_after_s
        due = self._kicks.due(
            registry.standing,
            self._clock(),
            may_shared=forbidden is None,
            unexpected=registry.unexpected,
        )
        for kick in due:
            try:
                async with self._opened() as session:
                    await session.action(kick.action, *kick.fields, deadline_s=self.settings.answer_s)
            except HotstandbyError as error:
                log.warning("%s could not be started again: %s", ", ".join(kick.trunks), error)
                continue
            for trunk in kick.trunks:
                log.warning("%s is started again with %s: %s", trunk, kick.done, kick.why)
                self._knowledge.tell("kick", trunk, was.get(trunk, "rejected"), kick.done, kick.why)
            self._look_now()
