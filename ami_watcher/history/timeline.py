"""What a day of one registration looks like, from its events. Rules only: no file, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ami_watcher.event import WatcherEvent
from ami_watcher.registrations.state_words import RegistrationState

DAY_S: Final = 86_400.0
UNWATCHED: Final = "unwatched"
"""State of a stretch in which no watcher ran: nobody can say what was then."""
QUIET: Final = frozenset({RegistrationState.REGISTERED, UNWATCHED, RegistrationState.UNKNOWN})
"""States that are no outage of the trunk: it holds, or it is not known."""

RESUME_GAP_S: Final = 30.0
"""A restart of the watcher that takes less leaves no hole: the state is the carrier's, not ours."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the strip in which one state held: unix seconds from `start` to `end`."""

    start: float
    end: float
    state: str

    @property
    def seconds(self) -> float:
        """How long it lasting."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class WatchedPeriod:
    """A time in which a watcher ran, unix seconds."""

    start: float
    end: float


def strip(
    events: Sequence[WatcherEvent],
    watched: Sequence[WatchedPeriod],
    *,
    state: str,
    since: float,
    now: float,
    span_s: float = DAY_S,
) -> tuple[Stretch, ...]:
    """What held from `now` - `span_s` to `now`, without gaps, oldest first.

    Args:
        events: of one registration, in order of time.
        watched: when a watcher ran, in order of time; elsewhere nothing is claimed.
        state: what holds now.
        since: when that began; it wins over events that disagree with it.
        now: unix seconds.
        span_s: length of the strip, seconds.
    """
    begin = now - span_s
    points: list[tuple[float, str]] = []
    earlier = [event for event in events if event.at < since and event.after is not None]
    # The change into the present state may have been told a moment after that state began.
    first = next((event for event in events if event.at < since + 1.0), None)
    if first is not None and first.before is not None:
        points.append((min(begin, first.at), first.before))
    points.extend((event.at, event.after or UNWATCHED) for event in earlier)
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


def held_since(events: Sequence[WatcherEvent], watched: Sequence[WatchedPeriod], *, state: str, since: float) -> float:
    """When the state that holds now began, over restarts of the watcher; `since` where history knows nothing earlier.

    It is never earlier than the time from which on a watcher has watched without a hole.

    Args:
        events: of one registration, in order of time.
        watched: when a watcher ran, in order of time.
        state: what holds now.
        since: when this run of the watcher first saw it so.
    """
    start = since
    for event in reversed([event for event in events if event.at < since]):
        if event.after == state:
            start = event.at
        elif event.after != RegistrationState.UNKNOWN or start - event.at > RESUME_GAP_S:
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
    """Puts a stretch behind the others, fills the gap before it, and joins it to an equal other_machine."""
    if end <= start:
        return
    if stretches and stretches[-1].end < start:
        stretches.append(Stretch(stretches[-1].end, start, UNWATCHED))
    if stretches and stretches[-1].state == state:
        stretches[-1] = Stretch(stretches[-1].start, end, state)
    else:
        stretches.append(Stretch(start, end, state))
