"""agi-server: FastAGI and plain AGI processes that were handed over, many at once, none held past its deadline.

One event loop reads environments and runs scripts that need not wait (a cached lookup). Scripts that wait have a
bounded pool of threads for each way in. A session that finds no place goes back to the dialplan at once: an overload
costs callers their data, never their call. SIGTERM stops accepting and lets what is running end; SIGHUP loads the
scripts anew.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

import pair as model
from agi.protocol.errors import AgiError
from agi.protocol.handshake import Handshake
from agi.script import OURS, Script, Scripts, Services
from agi.server import hand_over
from agi.server.capacity import READING, Capacity
from agi.server.descriptors import DescriptorCloser, FastAgiTransport, HandoverTransport, SessionTransport
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

_LAUNCHER_GRACE_S: Final = 1.0
"""How much longer than the session its launcher waits, before it believes the server frozen."""

_LATELY_S: Final = 2.0
"""How long /healthz tells of something that happens again and again."""

_MOST_UNCLOSED: Final = 512
"""Descriptors that wait to be closed. With more, those who send such ones are not listened to."""


class AgiServer:
    """The server, in the event loop that `run` is called in."""

    def __init__(self, places: Places, pair: Pair, *, listeners: list[socket.socket]) -> None:
        """
        Args:
            listeners: of FastAGI (TCP) and of the hand-over (Unix, packets), any number of each; they become ours.
        """
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
            open_now=lambda: self._count_sessions(),
            waiting_now=lambda: sum(capacity.waiting for capacity in self.capacities.values()),
            lookups=lambda: self._lookups(),
        )
        self.loop: asyncio.AbstractEventLoop
        self._listeners = listeners
        self._closer = DescriptorCloser()
        self._controls: dict[socket.socket, float] = {}
        self._most_controls = min(READING, descriptors // 16)
        self._seen = time.monotonic()
        self._refused_at = float("-inf")
        self._draining = False
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, and then until the last session has ended."""
        self.loop = asyncio.get_running_loop()
        # Before /healthz tells anybody that it is there: a SIGHUP that nobody handles ends a process.
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.drain)
        self.loop.add_signal_handler(signal.SIGHUP, self.reload)
        self._stay(self.services)
        health = self._health()
        for listener in self._listeners:
            self.loop.add_reader(listener.fileno(), self._accept, listener)
        self._say_what_is_broken()
        notify(f"READY=1\nSTATUS=serving {', '.join(script.name for script in self.scripts) or 'no script'}")
        try:
            await self._rounds()
        finally:
            notify("STOPPING=1")
            if health is not None:
                health.close()
            for listener in self._listeners:
                listener.close()
            self.services.close()
            for capacity in self.capacities.values():
                capacity.end()
            self._closer.end()

    def drain(self) -> None:
        """Accepts nobody any more; `run` returns when the last session has ended."""
        if self._draining:
            return
        self._draining = True
        log.info("Stopping: no new sessions, %d to end.", self._count_sessions())
        for listener in self._listeners:
            self.loop.remove_reader(listener.fileno())
            if listener.family != socket.AF_UNIX:
                listener.close()
        self._idle.set()

    def reload(self) -> None:
        """Loads the scripts and the lookups anew; running sessions end with those that they began with.

        What the server listens on, and how much it takes on, changes with a restart alone.
        """
        self.scripts = Scripts(self.places.config / "agi")
        self._say_what_is_broken()
        try:
            active = model.active(self.places)
        except HotstandbyError as error:
            log.error("The lookups stay as they were: %s", error)
        else:
            if active.warning:
                log.warning("%s", active.warning)
            if active.pair.digest != self.services.pair.digest:
                before, self.services = self.services, Services(self.places, active.pair)
                self._stay(self.services)
                self.loop.call_later(self.settings.deadline_s, self.loop.run_in_executor, None, before.close)
        log.info("Scripts were loaded: %s.", ", ".join(script.name for script in self.scripts) or "none")

    def work(self, session: CallSession, job: Callable[[], None]) -> bool:
        """See agi.server.session.SessionOwner."""
        return self.capacities[session.link.way].work(job, self.loop)

    def deadline_s(self, script: Script) -> float:
        """See agi.server.session.SessionOwner."""
        return script.deadline_s or self.settings.deadline_s

    def held_for(self, script: Script, seconds: float) -> None:
        """See agi.server.session.SessionOwner."""
        # Ours wait for nothing; on a machine that is short of breath they may look as if they did.
        if seconds > _HELD_S and script.name not in OURS:
            log.warning(
                "%s held every other call for %.0f ms: a RESTARTABLE script says call.before_waiting() before it waits "
                "for anything. Until the next reload it runs in threads.",
                script.name,
                seconds * 1000,
            )
            self.scripts.keep_off_the_loop(script.name)

    def forget(self, session: CallSession) -> None:
        """See agi.server.session.SessionOwner."""
        self.capacities[session.link.way].sessions.pop(session, None)
        self.metrics.ended(session.link.way, session.outcome, time.monotonic() - session.started)
        if isinstance(session.link, HandoverTransport):
            self.loop.remove_reader(session.link.control.fileno())

    def _lookups(self) -> Mapping[tuple[str, str], int]:
        counts = self.services.lookups.counts.copy()
        return {(name, status.value): count for (name, status), count in counts.items()}

    def _stay(self, services: Services) -> None:
        try:
            services.stay()
        except Exception:
            # Calls go on without data; everything that is no lookup goes on as before.
            log.exception("The lookups cannot be made ready.")

    def _count_sessions(self) -> int:
        return sum(len(capacity.sessions) for capacity in self.capacities.values())

    def _sessions(self) -> list[CallSession]:
        return list(chain.from_iterable(capacity.sessions for capacity in self.capacities.values()))

    async def _rounds(self) -> None:
        """Looks at deadlines, and at the watchdog, until everything has ended after a drain."""
        interval_s = watchdog_interval_s()
        barked = 0.0
        while not (self._draining and not self._count_sessions() and not self._controls):
            now = self._seen = time.monotonic()
            for session in self._sessions():
                if session.deadline <= now:
                    session.late()
            for control in [control for control, until in self._controls.items() if until <= now]:
                self._let_go(control)
            # Without descriptors nobody is served: then systemd shall start it again.
            if interval_s is not None and now - barked >= interval_s and now - self._refused_at > _LATELY_S:
                notify("WATCHDOG=1")
                barked = now
            await asyncio.sleep(_ROUND_S if not self._draining else _ROUND_S / 4)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(64):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors: what is waiting stays in the kernel's queue until some are free.
                self._refused_at = time.monotonic()
                log.warning("A session could not be accepted: %s.", error.strerror)
                self.loop.remove_reader(listener.fileno())
                self.loop.call_later(_ROUND_S, self._accept_again, listener)
                return
            connection.setblocking(False)
            if listener.family == socket.AF_UNIX:
                self._greet(connection)
            elif self._room("fastagi"):
                self._start(FastAgiTransport(connection), Handshake(), f"FastAGI from {address[0]}")
            else:
                connection.close()
                self.metrics.ended("fastagi", "busy", 0.0)

    def _greet(self, connection: socket.socket) -> None:
        """Somebody is at the hand-over socket, and has said nothing yet."""
        if self._closer.waiting > _MOST_UNCLOSED:
            # Not a word: a launcher runs its script by itself then.
            self._closer.close([connection.detach()])
            self.metrics.ended("handover", "refused", 0.0)
            return
        hand_over.greet(connection)
        if not self._room("handover"):
            # Without a greeting the launcher would start an interpreter of its own: no help in an overload.
            hand_over.refuse(connection)
            self._closer.close([connection.detach()])
            self.metrics.ended("handover", "busy", 0.0)
            return
        if len(self._controls) >= self._most_controls:
            self._let_go(next(iter(self._controls)))
        self._controls[connection] = time.monotonic() + self.settings.environment_s
        self.loop.add_reader(connection.fileno(), self._handed, connection)

    def _room(self, way: str) -> bool:
        """Whether there is a place for one more; who has held one for longest without a word gives way."""
        capacity = self.capacities[way]
        if not capacity.full:
            return True
        oldest = capacity.dispensable()
        if oldest is None:
            return False
        log.warning("More than %d sessions of %s at once: the oldest that say nothing give way.", capacity.most, way)
        oldest.make_room()
        return True

    def _accept_again(self, listener: socket.socket) -> None:
        if not self._draining:
            self.loop.add_reader(listener.fileno(), self._accept, listener)

    def _handed(self, control: socket.socket) -> None:
        try:
            handed = hand_over.receive(control, self._closer)
        except BlockingIOError:
            return
        except AgiError as error:
            log.warning("%s", error)
            handed = None
        if handed is None:
            self._let_go(control)
            return
        del self._controls[control]
        self.loop.remove_reader(control.fileno())
        link = HandoverTransport(handed.read_fd, handed.write_fd, control, self._closer)
        try:
            self._take(handed, link)
        except BaseException:
            link.close()
            raise

    def _take(self, handed: hand_over.HandedOverCall, link: HandoverTransport) -> None:
        control = link.control
        if not self._room("handover"):
            hand_over.refuse(control)
            link.close()
            self.metrics.ended("handover", "busy", 0.0)
            return
        script = self.scripts.get(handed.script)
        seconds = (self.deadline_s(script) if script else self.settings.deadline_s) + _LAUNCHER_GRACE_S
        if not hand_over.accept(control, seconds + _LAUNCHER_GRACE_S):
            link.close()
            return
        opening = Handshake(script=handed.script, arguments=handed.arguments)
        session = self._start(link, opening, f"AGI process {printable(handed.script)}")
        if session in self.capacities[link.way].sessions:
            self.loop.add_reader(control.fileno(), functools.partial(self._relayed, control, session))

    def _relayed(self, control: socket.socket, session: CallSession) -> None:
        """The launcher said something: SIGHUP, or that it is gone."""
        try:
            data = hand_over.said(control, self._closer)
        except BlockingIOError:
            return
        if data == b"H":
            session.hangup()
        elif not data:
            self.loop.remove_reader(control.fileno())

    def _let_go(self, control: socket.socket) -> None:
        self._controls.pop(control, None)
        self.loop.remove_reader(control.fileno())
        self._closer.close([control.detach()])

    def _start(self, link: SessionTransport, opening: Handshake, peer: str) -> CallSession:
        session = CallSession(self, link, opening, peer=peer, environment_s=self.settings.environment_s)
        self.capacities[link.way].sessions[session] = None
        session.start()
        return session

    def _health(self) -> HealthServer | None:
        if not self.settings.health_port:
            return None
        try:
            return HealthServer(self.settings.health_port, self.metrics.registry, self._state)
        except OSError as error:
            log.error(
                "/healthz and /metrics are not served: 127.0.0.1 port %d cannot be had (%s). Change agi.health_port.",
                self.settings.health_port,
                error.strerror,
            )
            return None

    def _state(self) -> dict[str, Any]:
        now = time.monotonic()
        behind_s = now - self._seen
        refusing = self._refusing(now)
        return {
            "healthy": behind_s < _LATELY_S and not self._draining and not refusing,
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

    def _refusing(self, now: float) -> list[str]:
        """Why a call that came now would go on without its script, in sentences."""
        reasons = [
            f"{capacity.way}: all {capacity.most} sessions are taken"
            if capacity.full
            else f"{capacity.way}: all threads are taken, and so are the turns to wait for one"
            for capacity in self.capacities.values()
            if capacity.full or capacity.busy
        ]
        if now - self._refused_at < _LATELY_S:
            reasons.append("no descriptor is free for one more session")
        if self._closer.waiting > _MOST_UNCLOSED:
            reasons.append("handover: descriptors that somebody sent cannot be closed")
        return reasons

    def _say_what_is_broken(self) -> None:
        for name, reason in self.scripts.broken.items():
            log.error("The script %s is out of service: %s", printable(name), reason)
