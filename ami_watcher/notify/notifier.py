"""Brings changes to the admin's programs and web hook.

Each destination has a thread and a bounded queue of its own, so that a web hook that is down delays nobody, and the
daemon's own loop never waits for either.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import MutableMapping, Sequence
from typing import Final

from ami_watcher.notify.hooks import Notification, Programs, Webhook
from host.errors import HotstandbyError
from host.places import Places
from pair import read_secret
from pair.sections.watcher import Hooks

log = logging.getLogger(__name__)

QUEUED: Final = 256
"""Changes that one destination may be behind; then the oldest is given up."""
LONGEST_PAUSE_S: Final = 60.0
COMPLAIN_EVERY_S: Final = 60.0


class Notifiers:
    """Everybody whom [watcher.hooks] names, and the programs of hooks/watcher.

    Args:
        places: of this machine.
        warnings: what is wrong, in sentences, by what it is about.
    """

    def __init__(self, places: Places, warnings: MutableMapping[str, str]) -> None:
        self._places = places
        self._warnings = warnings
        self._running: Sequence[Notifier] = ()

    def start(self, hooks: Hooks) -> Sequence[Notifier]:
        """Begins anew, with what `hooks` says; those of before take no more."""
        self.stop()
        programs = Programs(self._places.hooks / "watcher", deadline_s=hooks.deadline_s)
        found = [Notifier(programs, attempts=hooks.attempts)]
        self._warnings.pop("webhook", None)
        if hooks.webhook is not None:
            try:
                token = read_secret(self._places, hooks.webhook_token_file) if hooks.webhook_token_file else None
                webhook = Webhook(hooks.webhook, token, deadline_s=hooks.deadline_s)
                found.append(Notifier(webhook, attempts=hooks.attempts))
            except HotstandbyError as error:
                log.error("The web hook is told nothing: %s", error)
                self._warnings["webhook"] = f"The web hook is told nothing: {error}"
        for one in found:
            one.start()
        self._running = tuple(found)
        return self._running

    def tell(self, notification: Notification) -> None:
        """Tells all of them; never waits."""
        for one in self._running:
            one.tell(notification)

    def stop(self) -> None:
        """Takes no more; what runs is left to end by itself."""
        for one in self._running:
            one.stop()


class Notifier:
    """Brings notifications to one destination, one after the other, with retries that end."""

    def __init__(self, destination: Programs | Webhook, *, attempts: int, first_pause_s: float = 1.0) -> None:
        """
        Args:
            destination: where to.
            attempts: tries in all for each notice.
            first_pause_s: seconds before the second try; each further pause is twice as long, up to a minute.
        """
        self.destination = destination
        self.delivered = 0
        self.failed = 0
        """Given up after the last try."""
        self.dropped = 0
        """Given up because too many were waiting."""
        self._attempts = attempts
        self._first_pause_s = first_pause_s
        self._queue: queue.Queue[Notification] = queue.Queue(maxsize=QUEUED)
        self._stop = threading.Event()
        self._untold = 0
        self._complained_at = float("-inf")
        # A program that hangs must not keep the daemon from ending.
        self._thread = threading.Thread(target=self._work, name=destination.name, daemon=True)

    def start(self) -> None:
        """Begins to deliver."""
        self._thread.start()

    def tell(self, notification: Notification) -> None:
        """Puts a notification into the queue; never waits."""
        while not self._stop.is_set():
            try:
                self._queue.put_nowait(notification)
            except queue.Full:
                try:
                    lost = self._queue.get_nowait()
                except queue.Empty:
                    continue
                self._queue.task_done()
                self.dropped += 1
                self._complain(lost)
            else:
                return

    def stop(self) -> None:
        """Takes no more and tries nothing again; what runs is left to end by itself."""
        self._stop.set()

    def _complain(self, lost: Notification) -> None:
        """Says that changes are given up: once for a whole burst of them, since a role may change thousands."""
        self._untold += 1
        now = time.monotonic()
        if now - self._complained_at < COMPLAIN_EVERY_S:
            return
        log.error(
            "%s are too slow: %d change%s given up, the last that %s",
            self.destination.name,
            self._untold,
            " was" if self._untold == 1 else "s were",
            lost.sentence,
        )
        self._complained_at, self._untold = now, 0

    def idle(self, within_s: float) -> bool:
        """Whether all is delivered, or given up, within `within_s` seconds."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self._queue.unfinished_tasks == 0:
                return True
            time.sleep(0.05)
        return self._queue.unfinished_tasks == 0

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                notification = self._queue.get(timeout=0.25)
            except queue.Empty:
                continue
            try:
                self._deliver(notification)
            except Exception:
                self.failed += 1
                log.exception("%s failed in a way that is a defect of ours", self.destination.name)
            finally:
                self._queue.task_done()

    def _deliver(self, notification: Notification) -> None:
        attempt = self.destination.attempt(notification)
        pause_s = self._first_pause_s
        why: str | None = None
        for number in range(1, self._attempts + 1):
            why = attempt()
            if why is None:
                self.delivered += 1
                return
            if number < self._attempts:
                log.warning("%s: %s; next try in %g s", self.destination.name, why, pause_s)
                if self._stop.wait(pause_s):
                    return
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self.failed += 1
        log.error(
            "%s: %s; gave up after %d tries: %s", self.destination.name, why, self._attempts, notification.sentence
        )
