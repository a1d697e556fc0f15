"""A log that nobody can fill: so many lines from one place in the code, and then a count of those that were left out.

Whoever reaches FastAGI's port can make the server say the same as often as they like. What is said from elsewhere in
the code keeps its own lines.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import Final

from host.printable import printable

MOST: Final = 50
"""Lines from one place in one window."""
WINDOW_S: Final = 10.0

log = logging.getLogger(__name__)

LogPlace = tuple[str, int, str]
"""File, line, and the text before its values stand in it; the file and the line are what counts."""


class LogRate:
    """How many lines each place has had in this window. Rules only; times are seconds on the monotonic clock."""

    def __init__(self, *, most: int = MOST, window_s: float = WINDOW_S) -> None:
        self._most = most
        self._window_s = window_s
        self._began = float("-inf")
        self._lines: Counter[tuple[str, int]] = Counter()
        self._texts: dict[tuple[str, int], str] = {}

    def lets(self, place: LogPlace, now: float) -> bool:
        """Whether one more line from `place` is written."""
        if not self._lines:
            self._began = now
        spot = place[:2]
        self._lines[spot] += 1
        if self._lines[spot] <= self._most:
            return True
        self._texts.setdefault(spot, place[2])
        return False

    def ended(self, now: float) -> bool:
        """Whether the window is over, so that what was left out shall be told."""
        return bool(self._lines) and now - self._began >= self._window_s

    def left_out(self) -> list[tuple[str, int]]:
        """Texts and how many lines of each were left out; a new window begins."""
        found = [(text, self._lines[spot] - self._most) for spot, text in self._texts.items()]
        self._lines.clear()
        self._texts.clear()
        return found


class LogRateFilter(logging.Filter):
    """See the module; for the handler that writes the lines. Safe for several threads."""

    def __init__(self, limit: LogRate | None = None) -> None:
        super().__init__()
        self._limit = limit or LogRate()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is written."""
        if record.name == __name__:
            return True
        now = time.monotonic()
        with self._lock:
            over = self._limit.left_out() if self._limit.ended(now) else []
            lets = self._limit.lets((record.pathname, record.lineno, str(record.msg)), now)
            if not lets and self._timer is None:
                # A flood that stops has no next line that could tell of it.
                self._timer = threading.Timer(WINDOW_S, self.tell)
                self._timer.daemon = True
                self._timer.start()
        _say(over)
        return lets

    def tell(self) -> None:
        """Writes what was left out until now."""
        with self._lock:
            over = self._limit.left_out()
            self._timer = None
        _say(over)


def _say(over: list[tuple[str, int]]) -> None:
    for text, count in over:
        log.warning("%d more lines like this one were left out of the log: %s", count, printable(text, 120))
