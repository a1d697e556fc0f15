"""agi-server: FastAGI and plain AGI processes that were handed over, many at once, none held past its deadline.

One event loop reads environments and runs scripts that need not wait (a cached lookup). Scripts that wait have a
bounded pool of threads for each way in. A session that finds no place goes back to the dialplan at once: an overload
costs callers their data, never their call. SIGTERM stops accepting and lets what is running end; SIGHUP loads the
scripts anew.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

import pair as model
from agi.protocol.handshake import Handshake
from agi.script import OURS, Script, Scripts, Services
from agi.server.acceptor import Acceptor
from agi.server.capacity import Capacity
from agi.server.descriptors import HandoverTransport, SessionTransport
from agi.server.health import HealthServer
from agi.server.metrics import AgiMetrics
from agi.server.session import CallSession
from host.errors import HotstandbyError
from host.places import Places
from host.printable import printable
from host.service_manager import notify, watchdog_interval_s
from pair.model import Pair
from pair.sections.agi import Agi

log = logging.getLogger("agi")

_ROUND_S: Final = 0.1
"""How often deadlines are looked at."""

_HELD_S: Final = 0.1
"""A cached lookup takes a tenth of a millisecond; what takes this long waits for something."""

_BEHIND_S: Final = 2.0
"""Without a round for so long, the event loop is held."""


class AgiServer:
    """The server, in the event loop that it is made in."""

    def __init__(self, places: Places, pair: Pair, *, listeners: list[socket.socket]) -> None:
        """
        Args:
            listeners: of FastAGI (TCP) and of the hand-over (Unix, packets), any number of each; they become ours.
        """
        self.loop = asyncio.get_running_loop()
        self.settings: Agi = pair.agi
        self.places = places
        self.scripts = Scripts(places.config / "agi")
        self.services = Services(places, pair)
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.capacities = {
            way: Capacity(
                way, concurrency=self.settings.concurrency, queue=self.settings.queue, descriptors=descriptors
            )
            for way in ("handover", "fastagi")
        }
        self.metrics = AgiMetrics(
            open_now=self._count_sessions,
            waiting_now=lambda: sum(capacity.waiting for capacity in self.capacities.values()),
            lookups=self._count_lookups,
        )
        self._acceptor = Acceptor(self, listeners, descriptors=descriptors)
        self._round_at = time.monotonic()
        self._draining = False

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT drain, SIGHUP reloads; for a process whose main thread this is.

        To be called before `run`, which tells others that the server is there: a SIGHUP that nobody handles ends a
        process.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.drain)
        self.loop.add_signal_handler(signal.SIGHUP, self.reload)

    async def run(self) -> None:
        """Serves until `drain`, and then until the last session has ended."""
        self._keep_ready(self.services)
        health = self._health()
        self._acceptor.start()
        self._log_broken_scripts()
        notify(f"READY=1\nSTATUS=serving {', '.join(script.name for script in self.scripts) or 'no script'}")
        try:
            await self._rounds()
        finally:
            notify("STOPPING=1")
            if health is not None:
                health.close()
            self._acceptor.close()
            self.services.close()
            for capacity in self.capacities.values():
                capacity.end()

    def drain(self) -> None:
        """Accepts nobody any more; `run` returns when the last session has ended."""
        if self._draining:
            return
        self._draining = True
        log.info("Stopping: no new sessions, %d to end.", self._count_sessions())
        self._acceptor.end()

    def reload(self) -> None:
        """Loads the scripts and the lookups anew; running sessions end with those that they began with.

        What the server listens on, and how much it takes on, changes with a restart alone.
        """
        self.scripts = Scripts(self.places.config / "agi")
        self._log_broken_scripts()
        try:
            active = model.active(self.places)
        except HotstandbyError as error:
            log.error("The lookups stay as they were: %s", error)
        else:
            if active.warning:
                log.warning("%s", active.warning)
            if active.pair.digest != self.services.pair.digest:
                before, self.services = self.services, Services(self.places, active.pair)
                self._keep_ready(self.services)
                self.loop.call_later(self.settings.deadline_s, self.loop.run_in_executor, None, before.close)
        log.info("Scripts were loaded: %s.", ", ".join(script.name for script in self.scripts) or "none")

    # What a session asks of us, see agi.server.session.SessionOwner.

    def run_in_thread(self, session: CallSession, job: Callable[[], None]) -> bool:
        """Runs the session's `job` in a thread of its way; False when too many wait already."""
        return self.capacities[session.transport.way].run_in_thread(job, self.loop)

    def deadline_s(self, script: Script | None) -> float:
        """Seconds that a session of `script` may take; None: it is not known which script that is."""
        return (script.deadline_s if script else None) or self.settings.deadline_s

    def held_loop(self, script: Script, seconds: float) -> None:
        """Takes an admin's script off the event loop when it waits there; ours do not, however slow the machine is."""
        if seconds > _HELD_S and script.name not in OURS:
            log.warning(
                "%s held every other call for %.0f ms: a RESTARTABLE script says call.before_waiting() before it waits "
                "for anything. Until the next reload it runs in threads.",
                script.name,
                seconds * 1000,
            )
            self.scripts.keep_off_the_loop(script.name)

    def begin(self, transport: SessionTransport, handshake: Handshake, peer: str) -> CallSession:
        """Begins a session.

        Args:
            peer: who is at its other end, for the log.
        """
        session = CallSession(self, transport, handshake, peer=peer, environment_s=self.settings.environment_s)
        self.capacities[transport.way].sessions[session] = None
        session.start()
        return session

    def remove(self, session: CallSession) -> None:
        """The session is over."""
        transport = session.transport
        self.capacities[transport.way].sessions.pop(session, None)
        self.metrics.ended(transport.way, session.outcome, time.monotonic() - session.started)
        if isinstance(transport, HandoverTransport):
            self.loop.remove_reader(transport.control.fileno())

    async def _rounds(self) -> None:
        """Looks at deadlines, and at the watchdog, until everything has ended after a drain."""
        interval_s = watchdog_interval_s()
        told_watchdog_at = 0.0
        while not (self._draining and not self._count_sessions() and self._acceptor.idle):
            now = self._round_at = time.monotonic()
            for session in self._sessions():
                if session.deadline <= now:
                    session.late()
            self._acceptor.expire(now)
            # Without descriptors nobody is served: then systemd shall start it again.
            due = interval_s is not None and now - told_watchdog_at >= interval_s
            if due and not self._acceptor.out_of_descriptors(now):
                notify("WATCHDOG=1")
                told_watchdog_at = now
            await asyncio.sleep(_ROUND_S if not self._draining else _ROUND_S / 4)

    def _keep_ready(self, services: Services) -> None:
        try:
            services.stay()
        except Exception:
            # Calls go on without data; everything that is no lookup goes on as before.
            log.exception("The lookups cannot be made ready.")

    def _sessions(self) -> list[CallSession]:
        return list(chain.from_iterable(capacity.sessions for capacity in self.capacities.values()))

    def _count_sessions(self) -> int:
        return sum(len(capacity.sessions) for capacity in self.capacities.values())

    def _count_lookups(self) -> Mapping[tuple[str, str], int]:
        counts = self.services.lookups.counts.copy()
        return {(name, status.value): count for (name, status), count in counts.items()}

    def _log_broken_scripts(self) -> None:
        for name, reason in self.scripts.broken.items():
            log.error("The script %s is out of service: %s", printable(name), reason)

    def _health(self) -> HealthServer | None:
        if not self.settings.health_port:
            return None
        try:
            return HealthServer(self.settings.health_port, self.metrics.registry, self._status)
        except OSError as error:
            log.error(
                "/healthz and /metrics are not served: 127.0.0.1 port %d cannot be had (%s). Change agi.health_port.",
                self.settings.health_port,
                error.strerror,
            )
            return None

    def _status(self) -> dict[str, Any]:
        """What /healthz prints."""
        now = time.monotonic()
        behind_s = now - self._round_at
        refusing = [*self._full(), *self._acceptor.refusing(now)]
        return {
            "healthy": behind_s < _BEHIND_S and not self._draining and not refusing,
            "draining": self._draining,
            "refusing": refusing,
            "loop_behind_s": round(behind_s, 3),
            "sessions": self._count_sessions(),
            "waiting_for_a_thread": sum(capacity.waiting for capacity in self.capacities.values()),
            "scripts": sorted(script.name for script in self.scripts),
            "broken": self.scripts.broken,
            "lookups": self.services.lookups.states(),
            "sites": self.services.lookups.sites(),
            "sites_ok": self.services.lookups.sites_ok,
        }

    def _full(self) -> list[str]:
        """Which ways would not take another call, in sentences."""
        return [
            f"{capacity.way}: all {capacity.most} sessions are taken"
            if capacity.full
            else f"{capacity.way}: all threads are taken, and so are the turns to wait for one"
            for capacity in self.capacities.values()
            if capacity.full or capacity.busy
        ]
