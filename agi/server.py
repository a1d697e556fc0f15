"""agi-server: FastAGI and plain AGI processes that were handed over, many at once, none held past its deadline.

One event loop reads environments and runs scripts that need not wait (a cached lookup). Scripts that wait have a
bounded pool of threads. A session that finds no place goes back to the dialplan at once: an overload costs callers
their data, never their call. SIGTERM stops accepting and lets what is running end; SIGHUP loads the scripts anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pair as model
from agi import handover
from agi.errors import AgiError
from agi.health import Health
from agi.link import Link, PipesLink, SocketLink
from agi.metrics import Metrics
from agi.opening import Opening
from agi.script import OURS, Script, Scripts, Services
from agi.session import Session
from host.errors import HotstandbyError
from host.notify import notify, watchdog_interval_s
from host.places import Places
from pair.agi import Agi
from pair.model import Pair

log = logging.getLogger("agi")

_ROUND_S: Final = 0.1
"""How often deadlines are looked at."""

_READING: Final = 256
"""Sessions that may be in the loop beside those that have or wait for a thread."""

_HELD_S: Final = 0.1
"""A cached lookup takes a tenth of a millisecond; what takes this long waits for something."""

_LAUNCHER_GRACE_S: Final = 1.0
"""How much longer than the session its launcher waits, before it believes the server frozen."""


class Server:
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
        self.metrics = Metrics(
            open_now=lambda: len(self.sessions),
            waiting_now=lambda: max(0, self._jobs - self.settings.concurrency),
            lookups=lambda: self._lookups(),
        )
        self.sessions: set[Session] = set()
        self.loop: asyncio.AbstractEventLoop
        self._listeners = listeners
        self._controls: dict[socket.socket, float] = {}
        self._jobs = 0
        self._threads = ThreadPoolExecutor(self.settings.concurrency, "agi")
        self._seen = time.monotonic()
        self._draining = False
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, and then until the last session has ended."""
        self.loop = asyncio.get_running_loop()
        self._stay(self.services)
        health = self._health()
        for listener in self._listeners:
            self.loop.add_reader(listener.fileno(), self._accept, listener)
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.drain)
        self.loop.add_signal_handler(signal.SIGHUP, self.reload)
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
            # A script that will not end holds its thread, not the stop: its call has gone on already.
            self._threads.shutdown(wait=False, cancel_futures=True)

    def drain(self) -> None:
        """Accepts nobody any more; `run` returns when the last session has ended."""
        if self._draining:
            return
        self._draining = True
        log.info("Stopping: no new sessions, %d to end.", len(self.sessions))
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

    def work(self, job: Callable[[], None]) -> bool:
        """See agi.session.House."""
        if self._jobs >= self.settings.concurrency + self.settings.queue:
            return False
        self._jobs += 1

        def done(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any more
                self.loop.call_soon_threadsafe(self._job_ended)

        self._threads.submit(job).add_done_callback(done)
        return True

    def deadline_s(self, script: Script) -> float:
        """See agi.session.House."""
        return script.deadline_s or self.settings.deadline_s

    def held_for(self, script: Script, seconds: float) -> None:
        """See agi.session.House."""
        # Ours wait for nothing; on a machine that is short of breath they may look as if they did.
        if seconds > _HELD_S and script.name not in OURS:
            log.warning(
                "%s held every other call for %.0f ms: a RESTARTABLE script says call.before_waiting() before it waits "
                "for anything. Until the next reload it runs in threads.",
                script.name,
                seconds * 1000,
            )
            self.scripts.keep_off_the_loop(script.name)

    def forget(self, session: Session) -> None:
        """See agi.session.House."""
        self.sessions.discard(session)
        self.metrics.ended(session.link.way, session.outcome, time.monotonic() - session.started)
        if isinstance(session.link, PipesLink):
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

    def _job_ended(self) -> None:
        self._jobs -= 1

    async def _rounds(self) -> None:
        """Looks at deadlines, and at the watchdog, until everything has ended after a drain."""
        interval_s = watchdog_interval_s()
        barked = 0.0
        while not (self._draining and not self.sessions and not self._controls):
            now = self._seen = time.monotonic()
            for session in [session for session in self.sessions if session.deadline <= now]:
                session.late()
            for control in [control for control, until in self._controls.items() if until <= now]:
                self._let_go(control)
            if interval_s is not None and now - barked >= interval_s:
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
                log.error("A session could not be accepted: %s.", error.strerror)
                self.loop.remove_reader(listener.fileno())
                self.loop.call_later(_ROUND_S, self._accept_again, listener)
                return
            connection.setblocking(False)
            full = len(self.sessions) >= self.settings.concurrency + self.settings.queue + _READING
            if listener.family == socket.AF_UNIX:
                if full:
                    # Without a greeting the launcher would start an interpreter of its own: no help in an overload.
                    handover.greet(connection)
                    handover.refuse(connection)
                    connection.close()
                    self.metrics.ended("handover", "busy", 0.0)
                    continue
                self._controls[connection] = time.monotonic() + self.settings.environment_s
                self.loop.add_reader(connection.fileno(), self._handed, connection)
                handover.greet(connection)
            elif full:
                connection.close()
                self.metrics.ended("fastagi", "busy", 0.0)
            else:
                self._start(SocketLink(connection), Opening(), f"FastAGI from {address[0]}")

    def _accept_again(self, listener: socket.socket) -> None:
        if not self._draining:
            self.loop.add_reader(listener.fileno(), self._accept, listener)

    def _handed(self, control: socket.socket) -> None:
        try:
            handed = handover.receive(control)
        except BlockingIOError:
            return
        except AgiError as error:
            log.warning("%s", error)
            handed = None
        if handed is None:
            self._let_go(control)
            return
        del self._controls[control]
        script = self.scripts.get(handed.script)
        link = PipesLink(handed.read_fd, handed.write_fd, control)
        seconds = (self.deadline_s(script) if script else self.settings.deadline_s) + _LAUNCHER_GRACE_S
        if not handover.accept(control, seconds + _LAUNCHER_GRACE_S):
            self.loop.remove_reader(control.fileno())
            link.close()
            return
        opening = Opening(script=handed.script, arguments=handed.arguments)
        session = self._start(link, opening, f"AGI process {handed.script}")
        if session in self.sessions:
            self.loop.remove_reader(control.fileno())
            self.loop.add_reader(control.fileno(), functools.partial(self._relayed, control, session))

    def _relayed(self, control: socket.socket, session: Session) -> None:
        """The launcher said something: SIGHUP, or that it is gone."""
        try:
            data = control.recv(16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data.startswith(b"H"):
            session.hangup()
        elif not data:
            self.loop.remove_reader(control.fileno())

    def _let_go(self, control: socket.socket) -> None:
        self._controls.pop(control, None)
        self.loop.remove_reader(control.fileno())
        control.close()

    def _start(self, link: Link, opening: Opening, peer: str) -> Session:
        session = Session(self, link, opening, peer=peer, environment_s=self.settings.environment_s)
        self.sessions.add(session)
        session.start()
        return session

    def _health(self) -> Health | None:
        if not self.settings.health_port:
            return None
        try:
            return Health(self.settings.health_port, self.metrics.registry, self._state)
        except OSError as error:
            log.error(
                "/healthz and /metrics are not served: 127.0.0.1 port %d cannot be had (%s). Change agi.health_port.",
                self.settings.health_port,
                error.strerror,
            )
            return None

    def _state(self) -> dict[str, Any]:
        behind_s = time.monotonic() - self._seen
        return {
            "healthy": behind_s < 2.0 and not self._draining,
            "draining": self._draining,
            "loop_behind_s": round(behind_s, 3),
            "sessions": len(self.sessions),
            "waiting_for_a_thread": max(0, self._jobs - self.settings.concurrency),
            "scripts": sorted(script.name for script in self.scripts),
            "broken": self.scripts.broken,
            "lookups": self.services.lookups.states(),
            "sites": self.services.lookups.sites(),
            "sites_ok": self.services.lookups.sites_ok,
        }

    def _say_what_is_broken(self) -> None:
        for name, reason in self.scripts.broken.items():
            log.error("The script %s is out of service: %s", name, reason)
