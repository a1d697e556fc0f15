"""First AMI session: reads the lists of registrations again and again, and at once when an event may mean a change.

Every poll compares what should be with what is, so a missed event leaves nothing wrong. What is slow goes over the
secondary session.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.ami.errors import AmiError, LinkLost
from ami_watcher.ami.message import AmiMessage
from ami_watcher.ami.session import AmiSession
from ami_watcher.event import LinkState
from ami_watcher.follow.asterisk_state import AsteriskState
from ami_watcher.follow.secondary_session import SecondarySession
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.registrations.expected import hosts_to_resolve, resolve_hosts
from ami_watcher.registrations.lists import list_registrations
from host.printable import printable

REGISTRATION_EVENTS: Final = frozenset({"Registry", "Reload", "Load", "Unload", "FullyBooted"})
CONTACT_EVENTS: Final = frozenset({"PeerStatus", "ContactStatus"})
DELIVERED_EVENTS: Final = REGISTRATION_EVENTS | CONTACT_EVENTS | {"Shutdown"}

BURST_S: Final = 0.05
"""Events come in bursts; one poll answers all that arrive within this time."""
CLOSEST_POLLS_S: Final = 0.25
"""However many events come, lists are not read more often than this."""
AGAIN_AFTER_S: Final = (0.5, 1.5)
"""A reload, or a failed attempt, is answered by the carrier within a second or two, and not every driver tells."""
BOOT_EVENT_S: Final = 1.0
"""FullyBooted follows a login at once where Asterisk runs and the user may read system events."""


class PrimarySession:
    """Makes one connection after the other; `run` is one of them, from login to its end.

    Args:
        ami: where Asterisk's AMI is; may be set anew.
        secret: gives the secret; may raise HotstandbyError.
        settings: durations; may be set anew.
        state: what is known of that Asterisk.
        secondary: what is done beside it.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        ami: AmiEndpoint,
        secret: Callable[[], str],
        settings: FollowSettings,
        state: AsteriskState,
        secondary: SecondarySession,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ami = ami
        self.settings = settings
        self.wake = asyncio.Event()
        """Set: lists are read soon, or a pause between two connections ends."""
        self.reopen = asyncio.Event()
        """Set: the connection ends, for another one."""
        self._secret = secret
        self._state = state
        self._secondary = secondary
        self._clock = clock
        self._again: list[float] = []
        self._poll_took = 0.0
        self._unresolved = True

    def poll_now(self) -> None:
        """Reads the lists at once, and once more a moment later."""
        now = self._clock()
        self._again = [now + after for after in AGAIN_AFTER_S]
        self.wake.set()

    def resolve_again(self) -> None:
        """Host names are looked up before the next poll."""
        self._unresolved = True

    async def run(self, synced: Callable[[], None]) -> None:
        """Connects and polls until the connection ends, which it raises, or until `reopen` is set.

        Args:
            synced: called once the lists have been read.

        Raises:
            HotstandbyError: AmiError, or what `secret` raises.
        """
        if self._state.link not in (LinkState.LOST, LinkState.REFUSED):
            self._state.set_link(LinkState.CONNECTING, "")
        session = AmiSession(self.ami, self._secret(), wanted=DELIVERED_EVENTS)
        session.register_event("*", self._heard)
        try:
            await session.open(deadline_s=self.settings.answer_s)
            self._state.set_link(LinkState.LOGGED_IN, "")
            self._secondary.set_primary(session)
            self._state.warning = await missing_event_permission(
                session, self.ami.username, answer_s=self.settings.answer_s, poll_s=self.settings.poll_s
            )
            await self._resolve()
            await self._poll(session)
            self._state.set_link(LinkState.SYNCED, "")
            synced()
            await self._rounds(session)
        finally:
            # A frozen Asterisk does not say goodbye either; it is cut after a second.
            await session.close()

    async def _rounds(self, session: AmiSession) -> None:
        beside = [
            asyncio.create_task(self._secondary.contact_rounds()),
            asyncio.create_task(self._secondary.reregistration_rounds()),
        ]
        polled = self._clock()
        try:
            while not self.reopen.is_set():
                await first_of(self.reopen, self.wake, session.ended, *beside, timeout_s=self._next_poll(polled))
                if session.ended.done():
                    raise session.ended.result()
                for task in beside:
                    if task.done():
                        # It ends only by a fault of ours, which must not pass in silence.
                        task.result()
                if self.wake.is_set():
                    # A poll that takes long is not repeated back to back, however many events come.
                    closest = max(CLOSEST_POLLS_S, 4 * self._poll_took)
                    pause = max(BURST_S, polled + closest - self._clock())
                    await first_of(self.reopen, session.ended, timeout_s=pause)
                self.wake.clear()
                polled = self._clock()
                if self._unresolved:
                    await self._resolve()
                await self._poll(session)
        finally:
            for task in beside:
                await ended(task)

    def _next_poll(self, polled: float) -> float:
        """Seconds until the next poll, counted from now."""
        now = self._clock()
        due = polled + self.settings.poll_s
        self._again = [at for at in self._again if at > polled]
        if self._state.registry.unconfirmed:
            due = min(due, polled + AGAIN_AFTER_S[0])
        return max(min([due, *self._again]) - now, 0.0)

    async def _poll(self, session: AmiSession) -> None:
        async with self._secondary.primary_turn:
            began = self._clock()
            try:
                lists = await list_registrations(session, deadline_s=self.settings.answer_s)
            except AmiError as error:
                # Where it had ended already, why it ended is what counts.
                session.end(error)
                raise session.ended.result() from error
            self._poll_took = self._clock() - began
        self._state.listed(lists, began)

    async def _resolve(self) -> None:
        self._unresolved = False
        state = self._state
        hosts = hosts_to_resolve(state.expected)
        addresses = await resolve_hosts(hosts, deadline_s=min(self.settings.answer_s, 2.0))
        state.expect(state.expected, role=state.role, timing=self.settings.timing, addresses=addresses)

    def _heard(self, session: AmiSession, event: AmiMessage) -> None:
        name = event.event_name
        if name in CONTACT_EVENTS:
            self._secondary.wake_contacts.set()
            return
        if name == "Registry":
            self._state.registry.hint(event, self._clock())
        elif name == "Shutdown":
            session.end(LinkLost("Asterisk shuts down"))
            return
        self.poll_now()


async def missing_event_permission(session: AmiSession, username: str, *, answer_s: float, poll_s: float) -> str:
    """Warning if the AMI user lacks `read = system`, "" where it is shown events or Asterisk is still booting.

    Raises:
        PrivilegeMissing: it may not read lists either.
    """
    if session.booted.is_set():
        return ""
    status = await session.action("CoreStatus", deadline_s=answer_s)
    # Before it is fully booted, Asterisk's start is 1970 (in its own time zone, so perhaps 1969).
    if status.get("CoreStartupDate", "").startswith(("1969", "1970")):
        return ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BOOT_EVENT_S):
            await session.booted.wait()
        return ""
    user = printable(username)
    return (
        f"the AMI user '{user}' is shown no events, so changes are seen only every {poll_s:g} s: "
        f"in manager.conf, section [{user}], write: read = system (then: asterisk -rx 'manager reload')"
    )


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels `task` and waits for its end; what it raised is for others to see."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def first_of(*waited: asyncio.Event | asyncio.Future[Any], timeout_s: float | None) -> None:
    """Returns when any of them is set or done, or after `timeout_s`."""
    events = [asyncio.create_task(one.wait()) for one in waited if isinstance(one, asyncio.Event)]
    futures = [one for one in waited if not isinstance(one, asyncio.Event)]
    try:
        await asyncio.wait([*events, *futures], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in events:
            await ended(task)
