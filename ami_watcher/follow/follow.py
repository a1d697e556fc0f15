"""Follows one Asterisk for ever: connects, connects again when the connection ends, and tells what changed.

What goes over the connections is in primary_session.py and secondary_session.py; what is known, in asterisk_state.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from ami_watcher.ami.backoff import Backoff
from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.ami.errors import (
    ActionLate,
    ActionRefused,
    AmiUnreachable,
    LinkLost,
    LoginInUse,
    MessageTooLong,
    NotAmi,
)
from ami_watcher.ami.shared_login import PAUSE_S, login_requested
from ami_watcher.event import LinkState, WatcherEvent
from ami_watcher.follow.asterisk_state import AsteriskState
from ami_watcher.follow.primary_session import PrimarySession, ended, first_of
from ami_watcher.follow.secondary_session import SecondarySession
from ami_watcher.follow.settings import FollowSettings, endpoint_of, settings_of
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.registrations.expected import ExpectedRegistration, expected_registrations
from ami_watcher.registrations.role import may_not_register, role_now
from host.errors import HotstandbyError
from host.places import Places
from pair import Pair, read_secret


class Follower:
    """Follows one Asterisk until it is told to stop.

    Args:
        machine: name in pair.toml.
        ami: where Asterisk's AMI is.
        secret: gives the secret, read anew for each login; may raise HotstandbyError.
        expected: the trunks that register, from expected_registrations.
        role: the role that `expected` was made for.
        settings: durations.
        may_register: why this machine may not register on shared accounts now, or None when it may; asked before
            each re-registration.
        give_way: whether another program of ours needs the only login that manager.conf allows.
        wall: unix seconds.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        machine: str,
        ami: AmiEndpoint,
        secret: Callable[[], str],
        expected: Iterable[ExpectedRegistration],
        *,
        role: str | None = None,
        settings: FollowSettings | None = None,
        may_register: Callable[[], str | None] = lambda: "nobody said that this machine may register",
        give_way: Callable[[], bool] = lambda: False,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ami = ami
        self._settings = settings or FollowSettings()
        self._give_way = give_way
        self._state = AsteriskState(machine, expected, role=role, timing=self._settings.timing, wall=wall, clock=clock)
        self._secondary = SecondarySession(
            ami,
            secret,
            self._settings,
            self._state,
            may_register=may_register,
            poll_now=self.poll_now,
            clock=clock,
        )
        self._primary = PrimarySession(ami, secret, self._settings, self._state, self._secondary, clock=clock)

    @property
    def snapshot(self) -> Snapshot:
        """Everything known now."""
        return self._state.snapshot

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[WatcherEvent]]:
        """Events from now on: `async with follower.subscribe() as events: async for event in events: …`.

        A subscriber that does not keep up loses the oldest ones; the snapshot is always whole.
        """
        return self._state.subscribers.subscribe()

    def reconfigure(
        self,
        expected: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        settings: FollowSettings | None = None,
        ami: AmiEndpoint | None = None,
    ) -> None:
        """Another pair.toml, or another role. Lists are read at once; another `ami` makes another connection."""
        if settings is not None:
            self._settings = self._primary.settings = self._secondary.settings = settings
        self._state.expect(expected, role=role, timing=self._settings.timing)
        self._primary.resolve_again()
        if ami is not None and ami != self._ami:
            self._ami = self._primary.ami = self._secondary.ami = ami
            self._primary.reopen.set()
        self.poll_now()

    def poll_now(self) -> None:
        """Reads the lists at once, and once more a moment later."""
        self._primary.poll_now()

    async def run(self, stop: asyncio.Event) -> None:
        """Follows until `stop` is set; then ends within two seconds, with both connections closed."""
        primary = self._primary
        retry = Backoff(self._settings.retry_first_s, self._settings.retry_most_s)
        refused = Backoff(self._settings.refused_first_s, self._settings.refused_most_s)

        def synced() -> None:
            retry.reset()
            refused.reset()

        giving = asyncio.create_task(self._give_way_when_asked())
        while not stop.is_set():
            primary.reopen.clear()
            primary.wake.clear()
            pause = 0.0
            if self._give_way():
                self._state.set_link(LinkState.LOST, "another program of ours has the only AMI login that is allowed")
                await first_of(stop, timeout_s=PAUSE_S)
                continue
            connection = asyncio.create_task(primary.run(synced))
            try:
                await first_of(stop, connection, timeout_s=None)
                if not connection.done():
                    break
                connection.result()
            except (LinkLost, ActionLate, ActionRefused, AmiUnreachable, MessageTooLong, LoginInUse) as error:
                # LoginInUse: whoever borrowed the login gives it back in a moment.
                self._state.set_link(LinkState.LOST, str(error))
                pause = retry.pause_s()
            except NotAmi as error:
                self._state.set_link(LinkState.LOST, str(error))
                pause = refused.pause_s()
            except HotstandbyError as error:
                # Login refused, no privilege, no secret: somebody has to change something first.
                self._state.set_link(LinkState.REFUSED, str(error))
                pause = refused.pause_s()
            finally:
                await ended(connection)
                await self._secondary.close()
            await first_of(stop, primary.reopen, primary.wake, timeout_s=pause)
        await ended(giving)
        self._state.set_link(LinkState.LOST, "the watcher has ended")

    async def _give_way_when_asked(self) -> NoReturn:
        while True:
            await asyncio.sleep(PAUSE_S)
            if self._give_way():
                self._primary.reopen.set()


def follower(places: Places, pair: Pair, machine: str) -> Follower:
    """A follower of this machine's Asterisk, in the role that it has now. The secret is read anew at each login."""
    role = role_now(places)
    secret_file = pair.asterisk_on(machine).ami.secret_file
    return Follower(
        machine,
        endpoint_of(pair, machine),
        lambda: read_secret(places, secret_file),
        expected_registrations(pair, machine, role),
        role=role,
        settings=settings_of(pair),
        may_register=lambda: may_not_register(places, machine),
        give_way=lambda: login_requested(places),
    )
