"""One run of ami-watcher: follows Asterisk, remembers, tells whoever asked to be told, and answers questions.

Every half second it compares what is with what it has told; a change that was missed is made up for then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
import uuid
from pathlib import Path
from typing import Final

from ami_watcher.daemon.configuration import ConfigurationFollower, refuse_unusable, warn_of_what_waits
from ami_watcher.daemon.peer import PeerFollower
from ami_watcher.daemon.recorder import EventRecorder
from ami_watcher.event import LinkState
from ami_watcher.follow.settings import endpoint_of, settings_of
from ami_watcher.follow.snapshot import AsteriskSource, Snapshot
from ami_watcher.history.store import HistoryStore
from ami_watcher.notify.notifier import Notifiers
from ami_watcher.phones.exchange import ContactExchange, ExportFailed
from ami_watcher.registrations.expected import expected_registrations
from ami_watcher.registrations.role import role_now
from ami_watcher.web.api import application
from ami_watcher.web.events import EventHub
from ami_watcher.web.guard import AccessGuard, hosts_of, token_of
from ami_watcher.web.listen import HttpServer, http_server, quieten, tcp_socket, unix_socket
from ami_watcher.web.metrics import WatcherMetrics
from ami_watcher.web.watcher_state import WatcherState
from host.errors import HotstandbyError
from host.places import Places
from host.printable import printable
from host.service_manager import notify, watchdog_interval_s
from pair import Pair
from pair.readiness import read_readiness

log = logging.getLogger(__name__)

ROUND_S: Final = 0.5
FLUSH_S: Final = 2.0
EXPORT_S: Final = 30.0
ROLES_S: Final = 20.0
"""How often the name servers are asked who is primary."""
FILE_S: Final = 2.0
"""How often pair.toml is looked at."""
OTHER_S: Final = 5.0
ALIVE_S: Final = 5.0
"""How often systemd is told that the daemon lives, at least."""
END_S: Final = 0.9
"""For clients to be let go, and again for the file: the daemon is gone within 2 s of SIGTERM."""


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
        self._places = places
        self._machine = machine
        self._source = source
        self._role = role_now(places)
        token = token_of(places, pair, pair.watcher.listen)
        self._tcp = tcp_socket(pair.watcher.listen, pair.watcher.port)
        self._listening: tuple[str, int] = self._tcp.getsockname()[:2]
        self._unix = unix_socket(places.watcher_socket)
        self._store = HistoryStore(
            places.watcher_state / "ami-watcher.sqlite3", history_days=pair.watcher.history_days, now=time.time()
        )
        self._hub = EventHub(uuid.uuid4().hex[:12])
        self.state = WatcherState(source, pair, machine, self._store, self._hub, self._exchange(pair))
        self._metrics = WatcherMetrics(self.state)
        self._recorder = EventRecorder(
            self._store,
            self._hub,
            self._metrics,
            machine=machine,
            pair_name=pair.name,
            settle_s=pair.watcher.hooks.settle_s,
        )
        self._peer = PeerFollower(places, self.state, self._recorder.take)
        self._notifiers = Notifiers(places, self.state.warnings)
        self._configuration = ConfigurationFollower(places, self.state, self._adopt)
        self._stop = asyncio.Event()
        self._app, self._login = application(self.state, self._metrics)
        self._login.tokens = token
        self._guard = AccessGuard(self._app, hosts=hosts_of(pair, machine), tokens=token)

    def stop(self) -> None:
        """Ends the run."""
        self._stop.set()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; SIGHUP reads pair.toml again."""
        quieten()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._configuration.reload)

        await self._store.begin(time.time())
        self._recorder.resume()
        self.state.notifiers = self._notifiers.start(self.state.pair.watcher.hooks)
        servers = [(http_server(self._guard), self._tcp), (http_server(self._app), self._unix)]

        serving = [asyncio.create_task(one.serve(sockets=[listener])) for one, listener in servers]
        listening = asyncio.create_task(self._listen())
        following = asyncio.create_task(self._source.run(self._stop))
        rounds = asyncio.create_task(self._rounds())
        host, port = self._listening
        log.info(
            "%s is watched; the page is at http://%s:%s/", self._machine, f"[{host}]" if ":" in host else host, port
        )
        notify(f"READY=1\nSTATUS=watching Asterisk on {self._machine}")
        stopped = asyncio.create_task(self._stop.wait())
        try:
            work = [*serving, listening, following, rounds]
            done, _ = await asyncio.wait([stopped, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
                if not self._stop.is_set():
                    raise HotstandbyError("A part of ami-watcher ended by itself; systemd starts it again.")
        finally:
            notify("STOPPING=1")
            self._stop.set()
            for task in (stopped, listening):
                task.cancel()
            await self._end([one for one, _ in servers], work)

    async def _end(self, servers: list[HttpServer], tasks: list[asyncio.Task[None]]) -> None:
        self._hub.close()
        for one in servers:
            one.should_exit = True
        self._notifiers.stop()
        await asyncio.wait(tasks, timeout=END_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._store.end(time.time())
        self.state.close()
        self._places.watcher_socket.unlink(missing_ok=True)
        log.info("ami-watcher on %s has ended", self._machine)

    async def _listen(self) -> None:
        async with self._source.subscribe() as events:
            async for event in events:
                # That we end is no news of the trunks.
                if not self._stop.is_set():
                    self._recorder.take(event)

    async def _rounds(self) -> None:
        """The one loop: every half second."""
        flushed = exported = read_other = told = asked = read_file = float("-inf")
        roles: asyncio.Task[None] | None = None
        every = watchdog_interval_s()
        while not self._stop.is_set():
            now = time.monotonic()
            self._take_role()
            # One for the whole round: a list of phones is told to the other machine only after it was taken here.
            snapshot = self._source.snapshot
            self._recorder.take_contacts(snapshot)
            self._recorder.take_missed(snapshot, time.time())
            self._store.mark_watched(time.time())
            for notification in self._recorder.due():
                self._notifiers.tell(notification)
            if now - read_other >= OTHER_S:
                read_other = now
                await self._peer.read(self._role)
            if now - asked >= ROLES_S and (roles is None or roles.done()):
                asked = now
                roles = asyncio.create_task(self._peer.query_roles())
            if now - read_file >= FILE_S:
                read_file = now
                await self._configuration.look()
                self.state.readiness = read_readiness(self._places)
            if now - exported >= EXPORT_S and self._contacts_are_fresh(snapshot):
                exported = now
                await self._export()
            if now - flushed >= FLUSH_S:
                flushed = now
                await self._store.flush(time.time())
            if every is not None and now - told >= min(every, ALIVE_S):
                told = now
                notify("WATCHDOG=1")
                await self._notify_status()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await self._stop.wait()

    def _take_role(self) -> None:
        role = role_now(self._places)
        if role != self._role:
            self._role = role
            self._source.reconfigure(expected_registrations(self.state.pair, self._machine, role), role=role)

    async def _notify_status(self) -> None:
        # Whoever looks at the page may have kept the thread busy: this can wait for the next time.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROUND_S):
                sentence = await self.state.compute(lambda view: view.registrations.sentence)
                notify(f"STATUS={printable(sentence)}")

    def _contacts_are_fresh(self, snapshot: Snapshot) -> bool:
        if snapshot.link is not LinkState.SYNCED or snapshot.contacts_at is None:
            return False
        return snapshot.at - snapshot.contacts_at <= self.state.pair.watcher.contacts_poll_s + EXPORT_S

    async def _export(self) -> None:
        export = self._store.inventory.export(self._machine, time.time())
        try:
            await asyncio.to_thread(self.state.exchange.publish, export)
        except ExportFailed as error:
            if "export" not in self.state.warnings:
                log.error("%s", error)
            self.state.warnings["export"] = str(error)
        else:
            self.state.warnings.pop("export", None)

    def _adopt(self, pair: Pair) -> None:
        """Takes over what can change while running; nothing of it, where anything of it cannot be had."""
        refuse_unusable(self._places, pair, self._machine)
        tokens = token_of(self._places, pair, self._listening[0])
        old = self.state.pair
        endpoint = endpoint_of(pair, self._machine)
        warn_of_what_waits(old, pair, self._machine)
        self._guard.reconfigure(hosts=hosts_of(pair, self._machine), tokens=tokens)
        self._login.tokens = tokens
        self.state.pair = pair
        self.state.exchange = self._exchange(pair)
        self._store.history_days = pair.watcher.history_days
        self._recorder.pair_name = pair.name
        self._recorder.debounce.settle_s = pair.watcher.hooks.settle_s
        self._source.reconfigure(
            expected_registrations(pair, self._machine, self._role),
            role=self._role,
            settings=settings_of(pair),
            ami=endpoint,
        )
        if pair.watcher.hooks != old.watcher.hooks:
            self.state.notifiers = self._notifiers.start(pair.watcher.hooks)

    def _exchange(self, pair: Pair) -> ContactExchange:
        directory = Path(pair.watcher.contacts_dir) if pair.watcher.contacts_dir else self._places.contacts
        return ContactExchange(directory, machine=self._machine, other=pair.peer_of(self._machine))
