"""Follows one Asterisk: connects, reads its lists again and again, and tells what changed.

Every round compares what should be with what is, so a missed event leaves nothing wrong. A round comes every poll_s
seconds, and at once after an event that may mean a change. Lists of phones, which can be long, and kicks go over a
second connection, so that they never hold up the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from ami_watcher.backoff import Backoff
from ami_watcher.connecting import Where
from ami_watcher.contact import Contact, contacts_from
from ami_watcher.errors import (
    ActionLate,
    ActionRefused,
    AmiError,
    AmiUnreachable,
    LinkLost,
    MessageTooLong,
    NotAmi,
    PrivilegeMissing,
)
from ami_watcher.expected import Wanted, resolved, to_resolve
from ami_watcher.kick import Kicks
from ami_watcher.lists import lists_of
from ami_watcher.message import Message
from ami_watcher.registration import Registration
from ami_watcher.registry import Registry, Shift, Timing
from ami_watcher.session import Session
from ami_watcher.snapshot import Change, LinkState, Snapshot
from host.errors import HotstandbyError
from host.printable import printable

log = logging.getLogger(__name__)

REGISTRATION_EVENTS: Final = frozenset({"Registry", "Reload", "Load", "Unload", "FullyBooted"})
CONTACT_EVENTS: Final = frozenset({"PeerStatus", "ContactStatus"})
WANTED_EVENTS: Final = REGISTRATION_EVENTS | CONTACT_EVENTS | {"Shutdown"}

CONTACT_LISTS: Final = ("PJSIPShowContacts", "SIPpeers", "IAXpeerlist")
"""IAXpeers, the sister of IAXpeerlist, leaves the ActionID out of its items (seen on 16 and 22)."""

SETTLE_S: Final = 0.05
"""Events come in bursts; one poll answers all that arrive within this time."""
CLOSEST_POLLS_S: Final = 0.25
"""However many events come, lists are not read more often than this."""
CLOSEST_CONTACTS_S: Final = 2.0
AFTER_S: Final = (0.5, 1.5)
"""A reload, or a failed attempt, is answered by the carrier within a second or two, and not every driver tells."""
BOOT_EVENT_S: Final = 1.0
"""FullyBooted follows a login at once where Asterisk runs and the user may read system events."""
QUEUE: Final = 1000
"""Changes that wait for a subscriber that does not come; older ones are dropped."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one Asterisk is followed. Durations in seconds; see pair.watcher.Watcher for what each is."""

    poll_s: float = 5.0
    answer_s: float = 3.0
    stale_s: float = 15.0
    refresh_grace_s: float = 30.0
    contacts_poll_s: float = 30.0
    kick: bool = True
    kick_after_s: float = 30.0
    retry_first_s: float = 0.25
    retry_most_s: float = 10.0
    refused_first_s: float = 15.0
    refused_most_s: float = 300.0

    @property
    def timing(self) -> Timing:
        """What the registry needs of it."""
        return Timing(poll_s=self.poll_s, stale_s=self.stale_s, refresh_grace_s=self.refresh_grace_s)


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
        wall: unix seconds.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        machine: str,
        ami: Where,
        secret: Callable[[], str],
        wanted: Iterable[Wanted],
        *,
        role: str | None = None,
        settings: Settings | None = None,
        may_register: Callable[[], str | None] = lambda: "nobody said that this machine may register",
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._ami = ami
        self._secret = secret
        self._role = role
        self._settings = settings or Settings()
        self._may_register = may_register
        self._wall = wall
        self._clock = clock
        self._wanted = tuple(wanted)
        self._registry = Registry(self._wanted, timing=self._settings.timing)
        self._kicks = Kicks(after_s=self._settings.kick_after_s)
        self._contacts: tuple[Contact, ...] = ()
        self._contacts_at: float | None = None
        self._contacts_problem = ""
        self._link = LinkState.CONNECTING
        self._link_since = clock()
        self._link_reason = ""
        self._warning = ""
        self._wake = asyncio.Event()
        self._wake_contacts = asyncio.Event()
        self._again: list[float] = []
        self._reopen = asyncio.Event()
        self._subscribers: set[_Subscriber] = set()
        self._errand: Session | None = None
        self._errand_made = asyncio.Lock()
        self._poll_took = 0.0
        self._to_resolve = True
        self._publish(self._registry.expect(self._wanted, clock()))

    @property
    def snapshot(self) -> Snapshot:
        """Everything known now."""
        now, wall = self._clock(), self._wall()
        # Nothing is shown as fine on a proof that is too old, whatever keeps us from getting a newer one.
        self._publish(self._registry.tick(now))

        def unix(at: float | None) -> float | None:
            return None if at is None else wall - (now - at)

        return Snapshot(
            machine=self._machine,
            at=wall,
            link=self._link,
            link_since=wall - (now - self._link_since),
            link_reason="; ".join(text for text in (self._link_reason, self._warning, self._contacts_problem) if text),
            asterisk_version=self._registry.version,
            modules=self._registry.modules,
            role=self._role,
            registrations=tuple(self._in_unix(one, wall - now) for one in self._registry.registrations),
            registrations_at=unix(self._registry.listed_at),
            contacts=self._contacts,
            contacts_at=unix(self._contacts_at),
        )

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Change]]:
        """Changes from now on: `async with follower.subscribe() as changes: async for change in changes: …`.

        A subscriber that does not keep up loses the oldest ones; the snapshot is always whole.
        """
        subscriber = _Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def reconfigure(
        self,
        wanted: Iterable[Wanted],
        *,
        role: str | None,
        settings: Settings | None = None,
        ami: Where | None = None,
    ) -> None:
        """Another pair.toml, or another role. Lists are read at once; another `ami` makes another connection."""
        now = self._clock()
        self._wanted = tuple(wanted)
        self._to_resolve = True
        if role != self._role:
            self._tell(Change(self._wall(), "role", self._machine, self._role or "", role or ""))
            self._role = role
        if settings is not None:
            self._settings = settings
            self._kicks.after_s = settings.kick_after_s
        self._publish(self._registry.expect(self._wanted, now, timing=self._settings.timing))
        if ami is not None and ami != self._ami:
            self._ami = ami
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

        while not stop.is_set():
            self._reopen.clear()
            self._wake.clear()
            pause = 0.0
            connection = asyncio.create_task(self._connected(synced))
            try:
                await _first_of(stop, connection, timeout_s=None)
                if not connection.done():
                    break
                connection.result()
            except (LinkLost, ActionLate, ActionRefused, AmiUnreachable, MessageTooLong) as error:
                self._to(LinkState.LOST, str(error))
                pause = retry.pause_s()
            except NotAmi as error:
                self._to(LinkState.LOST, str(error))
                pause = refused.pause_s()
            except HotstandbyError as error:
                # Login refused, no privilege, no secret: somebody has to change something first.
                self._to(LinkState.REFUSED, str(error))
                pause = refused.pause_s()
            finally:
                await _ended(connection)
                await self._end_errand()
            await _first_of(stop, self._reopen, self._wake, timeout_s=pause)
        self._to(LinkState.LOST, "the watcher has ended")

    # One connection, from login to its end.

    async def _connected(self, synced: Callable[[], None]) -> None:
        if self._link not in (LinkState.LOST, LinkState.REFUSED):
            self._to(LinkState.CONNECTING, "")
        session = Session(self._ami, self._secret(), wanted=WANTED_EVENTS)
        session.register_event("*", self._heard)
        try:
            await session.open(deadline_s=self._settings.answer_s)
            self._to(LinkState.LOGGED_IN, "")
            self._warning = await self._blindness(session)
            await self._resolve()
            await self._poll(session)
            self._to(LinkState.SYNCED, "")
            synced()
            await self._rounds(session)
        finally:
            # A frozen Asterisk does not say goodbye either; it is cut after a second.
            await session.close()

    async def _rounds(self, session: Session) -> None:
        """Polls until the session ends, which it raises, or until another connection is wanted."""
        beside = [asyncio.create_task(self._contact_rounds()), asyncio.create_task(self._kick_rounds())]
        polled = self._clock()
        try:
            while not self._reopen.is_set():
                await _first_of(self._reopen, self._wake, session.ended, *beside, timeout_s=self._next_poll(polled))
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
                    await _first_of(self._reopen, session.ended, timeout_s=pause)
                self._wake.clear()
                polled = self._clock()
                if self._to_resolve:
                    await self._resolve()
                await self._poll(session)
        finally:
            for task in beside:
                await _ended(task)

    def _next_poll(self, polled: float) -> float:
        """Seconds until the next round, counted from now."""
        now = self._clock()
        due = polled + self._settings.poll_s
        self._again = [at for at in self._again if at > polled]
        if self._registry.in_doubt:
            due = min(due, polled + AFTER_S[0])
        return max(min([due, *self._again]) - now, 0.0)

    async def _poll(self, session: Session) -> None:
        began = self._clock()
        try:
            lists = await lists_of(session, deadline_s=self._settings.answer_s)
        except AmiError as error:
            # Where it had ended already, why it ended is what counts.
            session.end(error)
            raise session.ended.result() from error
        now = self._clock()
        self._poll_took = now - began
        self._publish(self._registry.listed(lists, now))

    async def _blindness(self, session: Session) -> str:
        """A sentence when this user is shown no events, "" when all is well or Asterisk is still booting.

        Raises:
            PrivilegeMissing: it may not read lists either.
        """
        if session.booted.is_set():
            return ""
        status = await session.action("CoreStatus", deadline_s=self._settings.answer_s)
        # Before it is fully booted, Asterisk's start is 1970 (in its own time zone, so perhaps 1969).
        if status.get("CoreStartupDate", "").startswith(("1969", "1970")):
            return ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BOOT_EVENT_S):
                await session.booted.wait()
            return ""
        user = printable(self._ami.username)
        return (
            f"the AMI user '{user}' is shown no events, so changes are seen only every {self._settings.poll_s:g} s: "
            f"in manager.conf, section [{user}], write: read = system (then: asterisk -rx 'manager reload')"
        )

    async def _resolve(self) -> None:
        self._to_resolve = False
        addresses = await resolved(to_resolve(self._wanted), deadline_s=min(self._settings.answer_s, 2.0))
        self._publish(self._registry.expect(self._wanted, self._clock(), addresses=addresses))

    # What events say.

    def _heard(self, session: Session, event: Message) -> None:
        name = event.event_name
        if name in CONTACT_EVENTS:
            self._wake_contacts.set()
            return
        if name == "Registry":
            self._registry.hint(event, self._clock())
        elif name == "Shutdown":
            session.end(LinkLost("Asterisk shuts down"))
            return
        self.look_now()

    # The second connection.

    async def _contact_rounds(self) -> None:
        backoff = Backoff(self._settings.retry_first_s * 4, self._settings.retry_most_s * 3)
        while True:
            pause, began = self._settings.contacts_poll_s, self._clock()
            self._wake_contacts.clear()
            try:
                await self._read_contacts()
                self._contacts_problem = ""
                backoff.reset()
            except HotstandbyError as error:
                # The registrations go on; only the phones are not known.
                self._contacts_problem = f"phones cannot be listed: {error}"
                await self._end_errand()
                pause = backoff.pause_s()
            except Exception as error:
                # Phones choose most of what is read here; whatever they choose, the registrations are followed.
                log.exception("The list of phones could not be read")
                self._contacts_problem = f"phones cannot be listed: {type(error).__name__}, see the log"
                pause = backoff.pause_s()
            # Many phones are not listed back to back, however often one of them registers.
            took = self._clock() - began
            closest = max(CLOSEST_CONTACTS_S, min(20 * took, self._settings.contacts_poll_s))
            await asyncio.sleep(closest)
            await _first_of(self._wake_contacts, timeout_s=max(pause - closest, 0.0))

    async def _read_contacts(self) -> None:
        session = await self._errands()
        items: list[Message] = []
        denied: PrivilegeMissing | None = None
        for action in CONTACT_LISTS:
            try:
                items += await session.listing(action, deadline_s=max(self._settings.answer_s, 10.0))
            except PrivilegeMissing as error:
                denied = error
            except ActionRefused:
                # Not loaded, or "No Contacts found".
                continue
        found = contacts_from(items)
        self._contacts_at = self._clock()
        if found != self._contacts:
            before, self._contacts = self._contacts, found
            self._tell(Change(self._wall(), "contacts", "contacts", str(len(before)), str(len(found))))
        if denied is not None:
            raise denied

    async def _errands(self) -> Session:
        async with self._errand_made:
            if self._errand is None or self._errand.ended.done():
                session = Session(self._ami, self._secret(), wanted=(), events="off")
                await session.open(deadline_s=self._settings.answer_s)
                self._errand = session
            return self._errand

    async def _end_errand(self) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            await errand.close()

    async def _kick_rounds(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_s)
            if self._settings.kick and self._link is LinkState.SYNCED:
                await self._kick()

    async def _kick(self) -> None:
        forbidden = self._may_register()
        due = self._kicks.due(
            self._registry.standing,
            self._clock(),
            may_shared=forbidden is None,
            unexpected=self._registry.unexpected,
        )
        for kick in due:
            try:
                session = await self._errands()
                await session.action(kick.action, *kick.fields, deadline_s=self._settings.answer_s)
            except HotstandbyError as error:
                log.warning("%s could not be started again: %s", ", ".join(kick.trunks), error)
                continue
            for trunk in kick.trunks:
                log.warning("%s is started again with %s: %s", trunk, kick.done, kick.why)
                self._tell(Change(self._wall(), "kick", trunk, "rejected", kick.done, kick.why))
            self.look_now()

    # Telling.

    def _to(self, link: LinkState, reason: str) -> None:
        if link is self._link and reason == self._link_reason:
            return
        before, now = self._link, self._clock()
        if link is not before:
            self._link_since = now
            self._tell(Change(self._wall(), "link", self._machine, before.value, link.value, reason or None))
        self._link, self._link_reason = link, reason
        if link in (LinkState.LOST, LinkState.REFUSED):
            self._warning = self._contacts_problem = ""
            self._publish(self._registry.lost(reason, now))

    def _publish(self, shifts: Iterable[Shift]) -> None:
        for shift in shifts:
            one = shift.after or shift.before
            if one is None:
                continue
            self._tell(
                Change(
                    self._wall(),
                    "registration",
                    one.trunk,
                    shift.before.state.value if shift.before else "",
                    shift.after.state.value if shift.after else "",
                    shift.after.cause if shift.after else None,
                )
            )

    def _tell(self, change: Change) -> None:
        for subscriber in self._subscribers:
            subscriber.put(change)

    @staticmethod
    def _in_unix(one: Registration, offset: float) -> Registration:
        return replace(
            one,
            since=one.since + offset,
            proof=None if one.proof is None else one.proof + offset,
            doubt=None if one.doubt is None else one.doubt + offset,
        )


class _Subscriber(AsyncIterator[Change]):
    """A bounded queue; the oldest changes go first."""

    def __init__(self) -> None:
        self._waiting: deque[Change] = deque(maxlen=QUEUE)
        self._some = asyncio.Event()

    def put(self, change: Change) -> None:
        self._waiting.append(change)
        self._some.set()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancels `task` and waits for its end; what it raised is for others to see."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _first_of(*waited: asyncio.Event | asyncio.Future[Any], timeout_s: float | None) -> None:
    """Returns when any of them is set or done, or after `timeout_s`."""
    tasks: list[asyncio.Future[Any]] = []
    own: list[asyncio.Task[Any]] = []
    for one in waited:
        if isinstance(one, asyncio.Event):
            task = asyncio.create_task(one.wait())
            own.append(task)
            tasks.append(task)
        else:
            tasks.append(one)
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
