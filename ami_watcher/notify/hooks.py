"""The admin's programs and web hook that are told of changes.

Each destination has a thread and a bounded queue of its own, so that a web hook that is down delays nobody, and the
daemon's own loop never waits for either.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ami_watcher.event import WatcherEvent
from host.hook import run_parts, run_program
from host.http import HttpError, HttpRequest, escaped
from host.printable import printable

log = logging.getLogger(__name__)

QUEUED: Final = 256
"""Changes that one destination may be behind; then the oldest is given up."""
LONGEST_PAUSE_S: Final = 60.0
COMPLAIN_EVERY_S: Final = 60.0

Attempt = Callable[[], str | None]
"""One try to tell a change; None, or why it failed. Called again, it repeats only what has not been done."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A change on its way to a destination.

    Attributes:
        entry: the change.
        machine: where it happened.
        pair: name of the pair.
    """

    entry: WatcherEvent
    machine: str
    pair: str

    @property
    def sentence(self) -> str:
        """The change in words, safe for one line."""
        entry = self.entry
        was = f" (was {entry.before})" if entry.before else ""
        why = f": {entry.cause}" if entry.cause else ""
        subject = {
            "link": f"The connection to Asterisk on {entry.subject}",
            "role": f"The role of {entry.subject}",
            "registration": f"{entry.subject} on {self.machine}",
        }.get(entry.kind, entry.subject)
        return printable(f"{subject} is {entry.after or 'gone'}{was}{why}", 400)

    @property
    def environment(self) -> dict[str, str]:
        """What a program finds in its environment; every value is one line of printable text."""
        entry = self.entry
        values = {
            "PAIR": self.pair,
            "MACHINE": self.machine,
            "KIND": entry.kind,
            "SUBJECT": entry.subject,
            "BEFORE": entry.before or "",
            "AFTER": entry.after or "",
            "CAUSE": entry.cause or "",
            "AT": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds"),
            "SENTENCE": self.sentence,
        }
        return {f"HOTSTANDBY_{key}": printable(value, 400) for key, value in values.items()}

    @property
    def body(self) -> bytes:
        """What the web hook is sent."""
        document = {"pair": self.pair, "machine": self.machine, **asdict(self.entry), "sentence": self.sentence}
        return json.dumps(document).encode()


class Programs:
    """The executables of a directory, in order of their names."""

    name = "hooks"

    def __init__(self, directory: Path, *, deadline_s: float) -> None:
        """
        Args:
            directory: it may be missing.
            deadline_s: seconds for each program.
        """
        self._directory = directory
        self._deadline_s = deadline_s

    def attempt(self, notice: Notification) -> Attempt:
        """Runs all of them once, and then again those that failed."""
        left: list[Path] | None = None

        def tell() -> str | None:
            nonlocal left
            if left is None:
                failed = [
                    (done.path, done.said or f"it ended with {done.returncode}")
                    for done in run_parts(self._directory, env=notice.environment, deadline_s=self._deadline_s)
                    if not done.succeeded
                ]
            else:
                failed = [(path, said) for path in left if (said := self._again(path, notice)) is not None]
            left = [path for path, _ in failed]
            return "; ".join(f"{path}: {printable(said)}" for path, said in failed) or None

        return tell

    def _again(self, path: Path, notice: Notification) -> str | None:
        done = run_program(path, env=notice.environment, deadline_s=self._deadline_s)
        return None if done.succeeded else (done.said or f"it ended with {done.returncode}")


class Webhook:
    """An address that every change is posted to as JSON. Redirects are not followed: the token is for one address.

    What goes wrong is told with scheme and host alone: some services put their token into the path.
    """

    name = "webhook"

    def __init__(self, address: str, token: str | None, *, deadline_s: float) -> None:
        """
        Args:
            address: http or https.
            token: sent as a bearer token, None for none.
            deadline_s: seconds from the look for its address to the status of the answer.
        """
        from host.http.client import HttpClient  # it takes 60 ms, and most pairs have no web hook

        parts = urlsplit(address)
        self._client = HttpClient(f"{parts.scheme}://{parts.netloc}", body_limit=0)
        self._target = escaped(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}")
        self._deadline_s = deadline_s
        login = () if token is None else (("Authorization", f"Bearer {token}"),)
        self._headers = (("Content-Type", "application/json"), *login)

    def attempt(self, notice: Notification) -> Attempt:
        """Posts it, until something between 200 and 299 is answered."""
        request = HttpRequest(self._target, notice.body, self._headers)

        def tell() -> str | None:
            try:
                status = self._client.exchange(request, time.monotonic() + self._deadline_s).status
            except HttpError as error:
                return str(error)
            return None if 200 <= status < 300 else f"{self._client.origin} answered {status}"

        return tell


class Notifier:
    """Brings notices to one destination, one after the other, with retries that end."""

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

    def tell(self, notice: Notification) -> None:
        """Puts a notice into the queue; never waits."""
        while not self._stop.is_set():
            try:
                self._queue.put_nowait(notice)
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
                notice = self._queue.get(timeout=0.25)
            except queue.Empty:
                continue
            try:
                self._deliver(notice)
            except Exception:
                self.failed += 1
                log.exception("%s failed in a way that is a defect of ours", self.destination.name)
            finally:
                self._queue.task_done()

    def _deliver(self, notice: Notification) -> None:
        attempt = self.destination.attempt(notice)
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
        log.error("%s: %s; gave up after %d tries: %s", self.destination.name, why, self._attempts, notice.sentence)
