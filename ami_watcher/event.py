"""What happened, and what a day of it looks like.

Rules only: no file, no clock. The memory is bounded in numbers, so that a storm of phones can push out older phones but
never the trunks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400.0
UNWATCHED: Final = "unwatched"
"""State of a stretch in which no watcher ran: nobody can say what was then."""
HOLDS: Final = "registered"
QUIET: Final = frozenset({HOLDS, UNWATCHED, "unknown"})
"""States that are no outage of the trunk: it holds, or it is not known."""

RESUME_GAP_S: Final = 30.0
"""A restart of the watcher that takes less leaves no hole: the state is the carrier's, not ours."""
REMEMBERED: Final = 20_000
"""Entries of each kind in memory; about 5 MB in all."""


@dataclass(frozen=True, slots=True)
class WatcherEvent:
    """One line of history.

    Attributes:
        at: unix seconds.
        kind: "registration", "contact", "link", "role", or "kick" (Asterisk was told to try again).
        subject: the trunk, the phone, or the machine.
        before: what was, None for something new.
        after: what is, None for something that ended.
        cause: why, in words, where it is known.
    """

    at: float
    kind: str
    subject: str
    before: str | None
    after: str | None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the strip in which one state held: unix seconds from `start` to `end`."""

    start: float
    end: float
    state: str

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class WatchedPeriod:
    """A time in which a watcher ran, unix seconds."""

    start: float
    end: float


class RecentEvents:
    """The last entries, trunks and links apart from phones."""

    def __init__(self, size: int = REMEMBERED) -> None:
        """
        Args:
            size: entries kept of phones, and as many of everything else.
        """
        self._phones: deque[WatcherEvent] = deque(maxlen=size)
        self._others: deque[WatcherEvent] = deque(maxlen=size)
        self._last: dict[tuple[str, str], WatcherEvent] = {}
        self.told = 0
        """How many entries were ever remembered: where it is the same, so is all the rest."""

    @property
    def lasting(self) -> tuple[WatcherEvent, ...]:
        """Everything but phones, in the order in which it was told."""
        return tuple(self._others)

    def last(self, kind: str, subject: str) -> WatcherEvent | None:
        """The newest entry of a trunk, a link or a role; None where there is none."""
        return self._last.get((kind, subject))

    def add(self, entries: Iterable[WatcherEvent]) -> None:
        """Remembers `entries`, which come in order of time."""
        for entry in entries:
            self.told += 1
            if entry.kind == "contact":
                self._phones.append(entry)
                continue
            self._others.append(entry)
            key = (entry.kind, entry.subject)
            known = self._last.get(key)
            if known is None or known.at <= entry.at:
                self._last[key] = entry

    def recall(
        self, *, since: float = 0.0, kind: str | None = None, subject: str | None = None, limit: int = 1000
    ) -> list[WatcherEvent]:
        """The newest `limit` entries from `since` on, oldest first."""
        found = [
            entry
            for entry in (*self._others, *self._phones)
            if entry.at >= since and kind in (None, entry.kind) and subject in (None, entry.subject)
        ]
        found.sort(key=lambda entry: entry.at)
        return found[-limit:] if limit > 0 else []


def strip(
    entries: Sequence[WatcherEvent],
    watched: Sequence[WatchedPeriod],
    *,
    state: str,
    since: float,
    now: float,
    span_s: float = DAY_S,
) -> tuple[Stretch, ...]:
    """What held from `now` - `span_s` to `now`, without gaps, oldest first.

    Args:
        entries: of one registration, in order of time.
        watched: when a watcher ran, in order of time; elsewhere nothing is claimed.
        state: what holds now.
        since: when that began; it wins over entries that disagree with it.
        now: unix seconds.
        span_s: length of the strip, seconds.
    """
    begin = now - span_s
    points: list[tuple[float, str]] = []
    earlier = [entry for entry in entries if entry.at < since and entry.after is not None]
    # The change into the present state may have been told a moment after that state began.
    first = next((entry for entry in entries if entry.at < since + 1.0), None)
    if first is not None and first.before is not None:
        points.append((min(begin, first.at), first.before))
    points.extend((entry.at, entry.after or UNWATCHED) for entry in earlier)
    points.append((since, state))

    stretches: list[Stretch] = []
    for (at, told), following in zip(points, [*points[1:], (now, "")], strict=True):
        for seen in watched:
            start = max(at, seen.start, begin)
            end = min(following[0], seen.end, now)
            if end > start:
                _lay(stretches, start, end, told)
    if not stretches:
        return (Stretch(begin, now, UNWATCHED),)
    if stretches[0].start > begin:
        stretches.insert(0, Stretch(begin, stretches[0].start, UNWATCHED))
    _lay(stretches, stretches[-1].end, now, UNWATCHED)
    return tuple(stretches)


def held_since(entries: Sequence[WatcherEvent], watched: Sequence[WatchedPeriod], *, state: str, since: float) -> float:
    """When the state that holds now began, over restarts of the watcher; `since` where history knows nothing earlier.

    It is never earlier than the time from which on a watcher has watched without a hole.

    Args:
        entries: of one registration, in order of time.
        watched: when a watcher ran, in order of time.
        state: what holds now.
        since: when this run of the watcher first saw it so.
    """
    start = since
    for entry in reversed([entry for entry in entries if entry.at < since]):
        if entry.after == state:
            start = entry.at
        elif entry.after != "unknown" or start - entry.at > RESUME_GAP_S:
            break
    whole = next((seen.start for seen in reversed(watched) if seen.start <= since), since)
    return max(start, min(whole, since))


def outages(stretches: Iterable[Stretch]) -> tuple[int, float]:
    """How often it did not hold, and for how many seconds in all. What nobody watched is not counted."""
    count, seconds, before = 0, 0.0, True
    for stretch in stretches:
        quiet = stretch.state in QUIET
        if not quiet:
            seconds += stretch.seconds
            count += before
        before = quiet
    return count, seconds


def joined(watched: Iterable[WatchedPeriod], *, gap_s: float = 0.0) -> tuple[WatchedPeriod, ...]:
    """The times in order, those that overlap or lie within `gap_s` of each other made one."""
    result: list[WatchedPeriod] = []
    for seen in sorted(watched, key=lambda item: item.start):
        if result and seen.start - result[-1].end <= gap_s:
            result[-1] = WatchedPeriod(result[-1].start, max(result[-1].end, seen.end))
        else:
            result.append(seen)
    return tuple(result)


def _lay(stretches: list[Stretch], start: float, end: float, state: str) -> None:
    """Puts a stretch behind the others, fills the gap before it, and joins it to an equal neighbour."""
    if end <= start:
        return
    if stretches and stretches[-1].end < start:
        stretches.append(Stretch(stretches[-1].end, start, UNWATCHED))
    if stretches and stretches[-1].state == state:
        stretches[-1] = Stretch(stretches[-1].start, end, state)
    else:
        stretches.append(Stretch(start, end, state))
