"""The daemon: follows Asterisk, remembers, tells whoever asked to be told, and answers questions until it is stopped.

Every half second it compares what is with what it has told; a change that was missed is made up for then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import signal
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from ami_watcher.ask import socket_path
from ami_watcher.event import REMEMBERED, WatcherEvent
from ami_watcher.follow.for_pair import settings_of, where_of
from ami_watcher.follow.snapshot import Change, LinkState
from ami_watcher.follow.source import AsteriskSource
from ami_watcher.history.store import HistoryStore
from ami_watcher.notify.debounce import Debounce
from ami_watcher.notify.hooks import Notification, Notifier, Programs, Webhook
from ami_watcher.other_machine import query_public_roles, read_other_machine
from ami_watcher.phones.exchange import ContactExchange, ExportFailed
from ami_watcher.registrations.expected import expected_registrations
from ami_watcher.registrations.role import role_now
from ami_watcher.web.admission import hosts_of, token_of
from ami_watcher.web.api import application
from ami_watcher.web.events import EventHub
from ami_watcher.web.guard import AccessGuard
from ami_watcher.web.listen import HttpServer, http_server, quieten, tcp_socket, unix_socket
from ami_watcher.web.metrics import WatcherMetrics
from ami_watcher.web.watcher_state import WatcherState
from host.errors import HotstandbyError, UsageError
from host.file_reading import read_file
from host.places import Places
from host.printable import printable
from host.service_manager import notify, watchdog_interval_s
from pair import Pair, read, read_secret

log = logging.getLogger(__name__)

ROUND_S: Final = 0.5
FLUSH_S: Final = 2.0
EXPORT_S: Final = 30.0
ROLES_S: Final = 20.0
"""How often the name servers are asked who is primary."""
FILE_S: Final = 2.0
"""How often pair.toml is looked at."""
OTHER_S: Final = 5.0
END_S: Final = 0.9
"""For clients to be let go, and again for the file: the daemon is gone within 2 s of SIGTERM."""
MISSED_S: Final = 3.0
"""A change that was not told after so long will not be: it is taken from what is listed."""
LASTING: Final = frozenset({"synced", "lost", "refused"})
"""States of the link that are remembered; the others last for a moment."""
MANY: Final = 100
"""Phones that came or went in one list: from here on listeners are told how many, not each."""


class WatcherDaemon:
    """One run of ami-watcher."""

    def __init__(self, places: Places, pair: Pair, machine: str, source: AsteriskSource) -> None:
        """
        Args:
            places: of this machine.
            pair: pair.toml.
            machine: ours.
            source: follows Asterisk.

        Raises:
            UsageError: it would listen beyond loopback without a token.
            SecretUnusable: the token cannot be read.
        """
        now = time.time()
        self._places = places
        self._machine = machine
        self._source = source
        self._role = role_now(places)
        self._token = token_of(places, pair, pair.watcher.listen)
        self._tcp = tcp_socket(pair.watcher.listen, pair.watcher.port)
        self._listening: tuple[str, int] = self._tcp.getsockname()[:2]
        self._unix = unix_socket(socket_path(places))
        self._keeper = HistoryStore(
            places.watcher_state / "ami-watcher.sqlite3", history_days=pair.watcher.history_days, now=now
        )
        self._hub = EventHub(uuid.uuid4().hex[:12])
        self.desk = WatcherState(source, pair, machine, self._keeper, self._hub, self._exchange(pair))
        self._metrics = WatcherMetrics(self.desk)
        self._settling = Debounce(pair.watcher.hooks.settle_s)
        self._couriers: list[Notifier] = []
        self._contacts_at = 0.0
        self._heard: set[tuple[str, str]] = set()
        self._overtaken = ""
        self._stamp: tuple[int, int, int] | None = None
        self._stop = asyncio.Event()
        self._app, self._login = application(self.desk, self._metrics)
        self._login.tokens = self._token
        self._guard = AccessGuard(self._app, hosts=hosts_of(pair, machine), tokens=self._token)

    def stop(self) -> None:
        """Ends the run."""
        self._stop.set()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; SIGHUP reads pair.toml again."""
        quieten()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

        await self._keeper.begin(time.time())
        self._settling = Debounce(self.desk.pair.watcher.hooks.settle_s, self._keeper.memory.recall(limit=REMEMBERED))
        self._send_couriers()
        servers = [(http_server(self._guard), self._tcp), (http_server(self._app), self._unix)]

        serving = [asyncio.create_task(one.serve(sockets=[listener])) for one, listener in servers]
        telling = asyncio.create_task(self._listen())
        following = asyncio.create_task(self._source.run(self._stop))
        rounds = asyncio.create_task(self._rounds())
        host, port = self._listening
        log.info("%s is watched; the page is at http://%s:%s/", self._machine, _bracketed(host), port)
        notify(f"READY=1\nSTATUS=watching Asterisk on {self._machine}")
        stopped = asyncio.create_task(self._stop.wait())
        try:
            work = [*serving, telling, following, rounds]
            done, _ = await asyncio.wait([stopped, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
                if not self._stop.is_set():
                    raise HotstandbyError("A part of ami-watcher ended by itself; systemd starts it again.")
        finally:
            notify("STOPPING=1")
            self._stop.set()
            for task in (stopped, telling):
                task.cancel()
            await self._end([one for one, _ in servers], work)

    async def _end(self, servers: list[HttpServer], tasks: list[asyncio.Task[None]]) -> None:
        self._hub.close()
        for one in servers:
            one.should_exit = True
        for courier in self._couriers:
            courier.stop()
        await asyncio.wait(tasks, timeout=END_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._keeper.end(time.time())
        self.desk.close()
        socket_path(self._places).unlink(missing_ok=True)
        log.info("ami-watcher on %s has ended", self._machine)

    # What Asterisk does.

    async def _listen(self) -> None:
        async with self._source.subscribe() as changes:
            async for change in changes:
                self._take(change)

    def _take(self, change: Change) -> None:
        if change.kind == "contacts" or self._stop.is_set():
            # The phones themselves are compared in each round; and that we end is no news of the trunks.
            return
        last = self._keeper.memory.last(change.kind, change.subject)
        first = (change.kind, change.subject) not in self._heard
        entry = WatcherEvent(
            change.at, change.kind, change.subject, change.before or None, change.after or None, change.cause
        )
        if entry.kind == "link":
            if entry.after not in LASTING:
                return
            entry = replace(entry, before=last.after if last is not None else None)
        self._heard.add((change.kind, change.subject))
        if first and last is not None and last.after == entry.after:
            # A restart of ours is no news of the trunk.
            return
        self._tell([entry])
        if entry.kind == "registration":
            self._metrics.count(entry.subject, entry.after or "gone")
        level = logging.INFO if entry.after in ("registered", "synced", "primary", "standby") else logging.WARNING
        if not first and entry.kind == "registration" and "unknown" in (entry.before, entry.after):
            # The line about the link says it for all trunks at once.
            level = logging.DEBUG
        log.log(level, "%s", Notification(entry, self._machine, self.desk.pair.name).sentence)

    def _tell(self, entries: list[WatcherEvent]) -> None:
        self._keeper.record(entries)
        now = time.monotonic()
        for entry in entries:
            self._hub.publish(entry.kind, asdict(entry))
            self._settling.offer(entry, now)

    # Every half second.

    async def _rounds(self) -> None:
        flushed = exported = looked = told = asked = read_at = float("-inf")
        roles: asyncio.Task[None] | None = None
        every = watchdog_interval_s()
        while not self._stop.is_set():
            now = time.monotonic()
            self._stand()
            self._see()
            self._make_up()
            self._keeper.alive(time.time())
            for entry in self._settling.due(now):
                for courier in self._couriers:
                    courier.tell(Notification(entry, self._machine, self.desk.pair.name))
            if now - looked >= OTHER_S:
                looked = now
                self.desk.other = await asyncio.to_thread(self.desk.exchange.other)
                await self._look_at_the_other()
            if now - asked >= ROLES_S and (roles is None or roles.done()):
                asked = now
                roles = asyncio.create_task(self._ask_roles())
            if now - read_at >= FILE_S:
                read_at = now
                await self._follow_the_file()
            if now - exported >= EXPORT_S and self._contacts_are_fresh():
                exported = now
                await self._export()
            if now - flushed >= FLUSH_S:
                flushed = now
                await self._keeper.flush(time.time())
            if every is not None and now - told >= min(every, 5.0):
                told = now
                notify("WATCHDOG=1")
                await self._say_how_it_is()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await self._stop.wait()

    async def _look_at_the_other(self) -> None:
        """What failover left of the other machine, and whether this one was overtaken."""
        pair = self.desk.pair
        other = pair.peer_of(self._machine)
        before = self.desk.neighbour
        found = await asyncio.to_thread(read_other_machine, self._places, self._machine, other, before)
        if found != self.desk.neighbour:
            # The name servers may have answered meanwhile.
            self.desk.neighbour = replace(found, roles=self.desk.neighbour.roles)
        words = self.desk.neighbour.overtaken(self._machine, other, time.time()) if self._role == "primary" else ""
        if words and not self._overtaken:
            self._take(Change(time.time(), "role", self._machine, "primary", "overtaken", words))
        elif self._overtaken and not words and self._role == "primary":
            self._take(Change(time.time(), "role", self._machine, "overtaken", "primary"))
        self._overtaken = words

    async def _ask_roles(self) -> None:
        try:
            found = await asyncio.to_thread(query_public_roles, self.desk.pair, self._machine)
        except RuntimeError:
            return  # the process ends, and starts no thread any more
        if found != self.desk.neighbour.roles:
            self.desk.neighbour = replace(self.desk.neighbour, roles=found)

    async def _follow_the_file(self) -> None:
        """Takes pair.toml over when it is another one; an invalid one is told, and the old one stays in force."""
        try:
            stamp = self._stamp_of_the_file()
            if stamp == self._stamp:
                return
            digest = await asyncio.to_thread(digest_of, self._places)
            if stamp != self._stamp_of_the_file():
                return  # written meanwhile: which of the two was read is not known; the next round reads it again
        except OSError:
            return
        self._stamp = stamp
        if digest != self.desk.pair.digest:
            self._reload()
        else:
            self.desk.warnings.pop("pair.toml", None)

    def _stamp_of_the_file(self) -> tuple[int, int, int]:
        state = self._places.pair_toml.stat()
        return state.st_ino, state.st_mtime_ns, state.st_size

    async def _say_how_it_is(self) -> None:
        # Whoever looks at the page may have kept the thread busy: this can wait for the next time.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROUND_S):
                sentence = await self.desk.told(lambda glance: glance.registrations.sentence)
                notify(f"STATUS={printable(sentence)}")

    def _stand(self) -> None:
        role = role_now(self._places)
        if role != self._role:
            self._role = role
            self._source.reconfigure(expected_registrations(self.desk.pair, self._machine, role), role=role)

    def _see(self) -> None:
        snapshot = self._source.snapshot
        at = snapshot.contacts_at
        # Each snapshot counts back from its own moment, so the same list differs by microseconds.
        if at is None or at - self._contacts_at < 0.1 or snapshot.link is not LinkState.SYNCED:
            return
        self._contacts_at = at
        entries = self._keeper.see(snapshot.contacts, at)
        if len(entries) > MANY:
            self._hub.publish("contacts", {"at": at, "changed": len(entries), "total": len(snapshot.contacts)})
            return
        for entry in entries:
            self._hub.publish(entry.kind, asdict(entry))

    def _make_up(self) -> None:
        """Takes what was never told: a source drops changes when thousands come at once."""
        now = time.time()
        for one in self._source.snapshot.registrations:
            last = self._keeper.memory.last("registration", one.trunk)
            known = last.after if last is not None else None
            if known != one.state.value and now - one.since > MISSED_S:
                # Not before what was told last, however the clock was set meanwhile.
                at = max(one.since, last.at if last is not None else 0.0)
                self._take(Change(at, "registration", one.trunk, known or "", one.state.value, one.cause))

    def _contacts_are_fresh(self) -> bool:
        snapshot = self._source.snapshot
        if snapshot.link is not LinkState.SYNCED or snapshot.contacts_at is None:
            return False
        return snapshot.at - snapshot.contacts_at <= self.desk.pair.watcher.contacts_poll_s + EXPORT_S

    async def _export(self) -> None:
        export = self._keeper.inventory.export(self._machine, time.time())
        try:
            await asyncio.to_thread(self.desk.exchange.publish, export)
        except ExportFailed as error:
            if "export" not in self.desk.warnings:
                log.error("%s", error)
            self.desk.warnings["export"] = str(error)
        else:
            self.desk.warnings.pop("export", None)

    # What the admin does.

    def _reload(self) -> None:
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            pair = read(self._places)
            self._adopt(pair)
        except HotstandbyError as error:
            log.error("The old configuration stays in force. %s", error)
            self.desk.warnings["pair.toml"] = (
                f"The configuration of {time.strftime('%F %T')} was not taken over: {error}"
            )
        else:
            self.desk.warnings.pop("pair.toml", None)
            log.info("%s was read again and is in force", self._places.pair_toml)
        notify("READY=1")

    def _adopt(self, pair: Pair) -> None:
        """Takes over what can change while running; nothing of it, where anything of it cannot be had."""
        if self._machine not in pair.machines:
            raise UsageError(f"It no longer names this machine, '{self._machine}'.")
        token_of(self._places, pair, pair.watcher.listen)
        token = token_of(self._places, pair, self._listening[0])
        old = self.desk.pair
        where = where_of(pair, self._machine)
        if (pair.watcher.listen, pair.watcher.port) != (old.watcher.listen, old.watcher.port):
            log.warning("listen and port are taken over at the next start: systemctl restart ami-watcher")
        if pair.asterisk_on(self._machine).ami.secret_file != old.asterisk_on(self._machine).ami.secret_file:
            log.warning("the name of AMI's secret_file is taken over at the next start: systemctl restart ami-watcher")
        self._token = token
        self._guard.reconfigure(hosts=hosts_of(pair, self._machine), tokens=token)
        self._login.tokens = token
        self.desk.pair = pair
        self.desk.exchange = self._exchange(pair)
        self._keeper.history_days = pair.watcher.history_days
        self._settling.settle_s = pair.watcher.hooks.settle_s
        self._source.reconfigure(
            expected_registrations(pair, self._machine, self._role),
            role=self._role,
            settings=settings_of(pair),
            ami=where,
        )
        if pair.watcher.hooks != old.watcher.hooks:
            self._send_couriers()

    def _send_couriers(self) -> None:
        for courier in self._couriers:
            courier.stop()
        hooks = self.desk.pair.watcher.hooks
        self._couriers = [
            Notifier(
                Programs(self._places.hooks / "watcher", deadline_s=hooks.deadline_s),
                attempts=hooks.attempts,
            )
        ]
        self.desk.warnings.pop("webhook", None)
        if hooks.webhook is not None:
            try:
                token = read_secret(self._places, hooks.webhook_token_file) if hooks.webhook_token_file else None
                webhook = Webhook(hooks.webhook, token, deadline_s=hooks.deadline_s)
                self._couriers.append(Notifier(webhook, attempts=hooks.attempts))
            except HotstandbyError as error:
                log.error("The web hook is told nothing: %s", error)
                self.desk.warnings["webhook"] = f"The web hook is told nothing: {error}"
        self.desk.couriers = self._couriers
        for courier in self._couriers:
            courier.start()

    def _exchange(self, pair: Pair) -> ContactExchange:
        directory = Path(pair.watcher.contacts_dir) if pair.watcher.contacts_dir else self._places.contacts
        return ContactExchange(directory, machine=self._machine, other=pair.peer_of(self._machine))


def digest_of(places: Places) -> str:
    """SHA-256 of pair.toml as it stands there.

    Raises:
        OSError
    """
    return hashlib.sha256(read_file(places.pair_toml)).hexdigest()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
