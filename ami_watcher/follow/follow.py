"""Follows one Asterisk: connects, reads its lists again and again, and tells what changed.

Every round compares what should be with what is, so a missed event leaves nothing wrong. A round comes every poll_s
seconds, and at once after an event that may mean a change. What is slow is done beside it: secondary_session.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, NoReturn

from ami_watcher.ami.backoff import Backoff
from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.ami.errors import (
    ActionLate,
    ActionRefused,
    AmiError,
    AmiUnreachable,
    LinkLost,
    LoginInUse,
    MessageTooLong,
    NotAmi,
)
from ami_watcher.ami.event_permission import missing_event_permission
from ami_watcher.ami.message import AmiMessage
from ami_watcher.ami.session import AmiSession
from ami_watcher.ami.shared_login import PAUSE_S
from ami_watcher.follow.knowledge import AsteriskState
from ami_watcher.follow.secondary_session import SecondarySession
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.follow.snapshot import Change, LinkState, Snapshot
from ami_watcher.follow.waiting import ended, first_of
from ami_watcher.registrations.expected import ExpectedRegistration, hosts_to_resolve, resolve_hosts
from ami_watcher.registrations.lists import list_registrations
from host.errors import HotstandbyError

REGISTRATION_EVENTS: Final = frozenset({"Registry", "Reload", "Load", "Unload", "FullyBooted"})
CONTACT_EVENTS: Final = frozenset({"PeerStatus", "ContactStatus"})
WANTED_EVENTS: Final = REGISTRATION_EVENTS | CONTACT_EVENTS | {"Shutdown"}

SETTLE_S: Final = 0.05
"""Events come in bursts; one poll answers all that arrive within this time."""
CLOSEST_POLLS_S: Final = 0.25
"""However many events come, lists are not read more often than this."""
AFTER_S: Final = (0.5, 1.5)
"""A reload, or a failed attempt, is answered by the carrier within a second or two, and not every driver tells."""


class Follower:
    """Follows one Asterisk until it is told to stop.

    Args:
        machine: name in pair.toml.
        ami: where Asterisk's AMI is.
        secret: gives the secret, read anew for each login; may raise HotstandbyError.
        wanted: the trunks that register, from expected.wanted.
        role: the role that `wanted` was made for.
        settings: durations.
        may_register: why this machine may not register on shared accounts now, or None when it may; asked before
            each kick.
        give_way: whether another program of ours needs the only login that manager.conf allows.
        wall: unix seconds.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        machine: str,
        ami: AmiEndpoint,
        secret: Callable[[], str],
        wanted: Iterable[ExpectedRegistration],
        *,
        role: str | None = None,
        settings: FollowSettings | None = None,
        may_register: Callable[[], str | None] = lambda: "nobody said that this machine may register",
        give_way: Callable[[], bool] = lambda: False,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ami = ami
        self._secret = secret
        self._settings = settings or FollowSettings()
        self._clock = clock
        self._give_way = give_way
        self._knowledge = AsteriskState(
            machine, wanted, role=role, timing=self._settings.timing, wall=wall, clock=clock
        )
        self._errands = SecondarySession(
            ami,
            secret,
            self._settings,
            self._knowledge,
            may_register=may_register,
            look_now=self.look_now,
            clock=clock,
        )
        self._wake = asyncio.Event()
        self._reopen = asyncio.Event()
        self._again: list[float] = []
        self._poll_took = 0.0
        self._to_resolve = True

    @property
    def snapshot(self) -> Snapshot:
        """Everything known now."""
        return self._knowledge.snapshot

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """Changes from now on: `async with follower.subscribe() as changes: async for change in changes: …`.

        A subscriber that does not keep up loses the oldest ones; the snapshot is always whole.
        """
        return self._knowledge.subscribers.subscribe()

    def reconfigure(
        self,
        wanted: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        settings: FollowSettings | None = None,
        ami: AmiEndpoint | None = None,
    ) -> None:
        """Another pair.toml, or another role. Lists are read at once; another `ami` makes another connection."""
        self._to_resolve = True
        if settings is not None:
            self._settings = self._errands.settings = settings
        self._knowledge.expect(wanted, role=role, timing=self._settings.timing)
        if ami is not None and ami != self._ami:
            self._ami = self._errands.ami = ami
            self._reopen.set()
        self.look_now()

    def look_now(self) -> None:
        """Reads the lists at once, and once more a moment later."""
        now = self._clock()
        self._again = [now + after for after in AFTER_S]
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Follows until `stop` is set; then ends within two seconds, with both connections closed."""
        retry = Backoff(self._settings.retry_first_s, self._settings.retry_most_s)
        refused = Backoff(self._settings.refused_first_s, self._settings.refused_most_s)

        def synced() -> None:
            retry.reset()
            refused.reset()

        giving = asyncio.create_task(self._give_way_when_asked())
        while not stop.is_set():
            self._reopen.clear()
            self._wake.clear()
            pause = 0.0
            if self._give_way():
                self._knowledge.to(LinkState.LOST, "another program of ours has the only AMI login that is allowed")
                await first_of(stop, timeout_s=PAUSE_S)
                continue
            connection = asyncio.create_task(self._connected(synced))
            try:
                await first_of(stop, connection, timeout_s=None)
                if not connection.done():
                    break
                connection.result()
            except (LinkLost, ActionLate, ActionRefused, AmiUnreachable, MessageTooLong) as error:
                self._knowledge.to(LinkState.LOST, str(error))
                pause = retry.pause_s()
            except NotAmi as error:
                self._knowledge.to(LinkState.LOST, str(error))
                pause = refused.pause_s()
            except LoginInUse as error:
                # Whoever borrowed it gives it back in a moment.
                self._knowledge.to(LinkState.LOST, str(error))
                pause = retry.pause_s()
            except HotstandbyError as error:
                # Login refused, no privilege, no secret: somebody has to change something first.
                self._knowledge.to(LinkState.REFUSED, str(error))
                pause = refused.pause_s()
            finally:
                await ended(connection)
                await self._errands.end()
            await first_of(stop, self._reopen, self._wake, timeout_s=pause)
        await ended(giving)
        self._knowledge.to(LinkState.LOST, "the watcher has ended")

    async def _give_way_when_asked(self) -> NoReturn:
        while True:
            await asyncio.sleep(PAUSE_S)
            if self._give_way():
                self._reopen.set()

    # One connection, from login to its end.

    async def _connected(self, synced: Callable[[], None]) -> None:
        if self._knowledge.link not in (LinkState.LOST, LinkState.REFUSED):
            self._knowledge.to(LinkState.CONNECTING, "")
        session = AmiSession(self._ami, self._secret(), wanted=WANTED_EVENTS)
        session.register_event("*", self._heard)
        try:
            await session.open(deadline_s=self._settings.answer_s)
            self._knowledge.to(LinkState.LOGGED_IN, "")
            self._errands.beside(session)
            self._knowledge.warning = await missing_event_permission(
                session, self._ami.username, answer_s=self._settings.answer_s, poll_s=self._settings.poll_s
            )
            await self._resolve()
            await self._poll(session)
            self._knowledge.to(LinkState.SYNCED, "")
            synced()
            await self._rounds(session)
        finally:
            # A frozen Asterisk does not say goodbye either; it is cut after a second.
            await session.close()

    async def _rounds(self, session: AmiSession) -> None:
        """Polls until the session ends, which it raises, or until another connection is wanted."""
        beside = [asyncio.create_task(self._errands.contact_rounds()), asyncio.create_task(self._errands.kick_rounds())]
        polled = self._clock()
        try:
            while not self._reopen.is_set():
                await first_of(self._reopen, self._wake, session.ended, *beside, timeout_s=self._next_poll(polled))
                if session.ended.done():
                    raise session.ended.result()
                for task in beside:
                    if task.done():
                        # It ends only by a fault of ours, which must not pass in silence.
                        task.result()
                if self._wake.is_set():
                    # A poll that takes long is not repeated back to back, however many events come.
                    closest = max(CLOSEST_POLLS_S, 4 * self._poll_took)
                    pause = max(SETTLE_S, polled + closest - self._clock())
                    await first_of(self._reopen, session.ended, timeout_s=pause)
                self._wake.clear()
                polled = self._clock()
                if self._to_resolve:
                    await self._resolve()
                await self._poll(session)
        finally:
            for task in beside:
                await ended(task)

    def _next_poll(self, polled: float) -> float:
        """Seconds until the next round, counted from now."""
        now = self._clock()
        due = polled + self._settings.poll_s
        self._again = [at for at in self._again if at > polled]
        if self._knowledge.registry.in_doubt:
            due = min(due, polled + AFTER_S[0])
        return max(min([due, *self._again]) - now, 0.0)

    async def _poll(self, session: AmiSession) -> None:
        async with self._errands.turn:
            began = self._clock()
            try:
                lists = await list_registrations(session, deadline_s=self._settings.answer_s)
            except AmiError as error:
                # Where it had ended already, why it ended is what counts.
                session.end(error)
                raise session.ended.result() from error
            self._poll_took = self._clock() - began
        self._knowledge.listed(lists)

    async def _resolve(self) -> None:
        self._to_resolve = False
        known = self._knowledge
        addresses = await resolve_hosts(hosts_to_resolve(known.wanted), deadline_s=min(self._settings.answer_s, 2.0))
        known.expect(known.wanted, role=known.role, timing=self._settings.timing, addresses=addresses)

    # What events say.

    def _heard(self, session: AmiSession, event: AmiMessage) -> None:
        name = event.event_name
        if name in CONTACT_EVENTS:
            self._errands.wake_contacts.set()
            return
        if name == "Registry":
            self._knowledge.registry.hint(event, self._clock())
        elif name == "Shutdown":
            session.end(LinkLost("Asterisk shuts down"))
            return
        self.look_now()
