"""What is told of a change, and to whom: the admin's programs and web hook."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from ami_watcher.event import EventKind, WatcherEvent
from host.hook import run_parts, run_program
from host.http import HttpError, HttpRequest, escaped
from host.printable import printable

Attempt = Callable[[], str | None]
"""One try to tell a change; None, or why it failed. Called again, it repeats only what has not been done."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A change on its way to a destination.

    Attributes:
        event: the change.
        machine: where it happened.
        pair: name of the pair.
    """

    event: WatcherEvent
    machine: str
    pair: str

    @property
    def sentence(self) -> str:
        """The change in words, safe for one line."""
        event = self.event
        if event.kind is EventKind.REREGISTRATION:
            return printable(
                f"{event.subject} on {self.machine} is re-registered with {event.after}: {event.cause}", 400
            )
        was = f" (was {event.before})" if event.before else ""
        why = f": {event.cause}" if event.cause else ""
        subject = {
            EventKind.LINK: f"The connection to Asterisk on {event.subject}",
            EventKind.ROLE: f"The role of {event.subject}",
            EventKind.REGISTRATION: f"{event.subject} on {self.machine}",
        }.get(event.kind, event.subject)
        return printable(f"{subject} is {event.after or 'gone'}{was}{why}", 400)

    @property
    def environment(self) -> dict[str, str]:
        """What a program finds in its environment; every value is one line of printable text."""
        event = self.event
        values = {
            "PAIR": self.pair,
            "MACHINE": self.machine,
            "KIND": event.kind,
            "SUBJECT": event.subject,
            "BEFORE": event.before or "",
            "AFTER": event.after or "",
            "CAUSE": event.cause or "",
            "AT": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds"),
            "SENTENCE": self.sentence,
        }
        return {f"HOTSTANDBY_{key}": printable(value, 400) for key, value in values.items()}

    @property
    def body(self) -> bytes:
        """What the web hook is sent."""
        document = {"pair": self.pair, "machine": self.machine, **asdict(self.event), "sentence": self.sentence}
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
