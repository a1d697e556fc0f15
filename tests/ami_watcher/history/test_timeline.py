"""What a day looks like, from changes and from the times in which somebody watched."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.history.recent import RecentEvents
from ami_watcher.history.timeline import Stretch, WatchedPeriod, held_since, joined, outages, strip

ALL_DAY = (WatchedPeriod(0.0, 1000.0),)


def changed(at: float, before: str | None, after: str) -> WatcherEvent:
    return WatcherEvent(at, EventKind.REGISTRATION, "acme", before, after)


@pytest.mark.parametrize(
    ("entries", "watched", "state", "since", "expected"),
    [
        # nothing but the present is known
        ([], ALL_DAY, "registered", 900.0, [(0, 900, "unwatched"), (900, 1000, "registered")]),
        # what was before the first change is what that change says
        (
            [changed(400.0, "registered", "rejected")],
            ALL_DAY,
            "registered",
            600.0,
            [(0, 400, "registered"), (400, 600, "rejected"), (600, 1000, "registered")],
        ),
        # a change from before the day says what it began with
        ([changed(-5000.0, None, "registered")], ALL_DAY, "registered", 900.0, [(0, 1000, "registered")]),
        # a hole in the watching is shown as one, whatever the state on both sides
        (
            [changed(-5000.0, None, "registered")],
            (WatchedPeriod(0.0, 300.0), WatchedPeriod(500.0, 1000.0)),
            "registered",
            500.0,
            [(0, 300, "registered"), (300, 500, "unwatched"), (500, 1000, "registered")],
        ),
        # a change nobody watched is not drawn where nobody watched
        (
            [changed(100.0, "registered", "rejected")],
            (WatchedPeriod(700.0, 1000.0),),
            "rejected",
            700.0,
            [(0, 700, "unwatched"), (700, 1000, "rejected")],
        ),
        # the watcher stopped before now
        (
            [changed(100.0, "rejected", "registered")],
            (WatchedPeriod(0.0, 800.0),),
            "registered",
            100.0,
            [(0, 100, "rejected"), (100, 800, "registered"), (800, 1000, "unwatched")],
        ),
        ([], (), "registered", 900.0, [(0, 1000, "unwatched")]),
    ],
)
def test_a_strip_shows_what_was_watched_and_nothing_else(
    entries: list[WatcherEvent],
    watched: Sequence[WatchedPeriod],
    state: str,
    since: float,
    expected: list[tuple[float, float, str]],
) -> None:
    drawn = strip(entries, watched, state=state, since=since, now=1000.0, span_s=1000.0)
    assert [(part.start, part.end, part.state) for part in drawn] == expected


moments = st.floats(min_value=-2000.0, max_value=1000.0)
states = st.sampled_from(["registered", "registering", "rejected", "unknown"])


@given(
    st.lists(st.tuples(moments, states, states), max_size=20),
    st.lists(st.tuples(moments, moments), max_size=5),
    states,
    moments,
)
def test_a_strip_covers_the_day_without_gap_or_overlap_and_never_repeats_a_state(
    changes: list[tuple[float, str, str]], runs: list[tuple[float, float]], state: str, since: float
) -> None:
    entries = [changed(at, before, after) for at, before, after in sorted(changes)]
    watched = joined(WatchedPeriod(min(run), max(run)) for run in runs)
    drawn = strip(entries, watched, state=state, since=since, now=1000.0, span_s=1000.0)
    assert drawn[0].start == 0.0
    assert drawn[-1].end == 1000.0
    for left, right in pairwise(drawn):
        assert left.end == right.start
        assert left.state != right.state
    assert all(part.seconds > 0 for part in drawn)


@pytest.mark.parametrize(
    ("states", "count", "seconds"),
    [
        (["registered"], 0, 0.0),
        (["registered", "rejected", "registered"], 1, 10.0),
        (["registered", "rejected", "registering", "registered"], 1, 20.0),  # one outage in two words
        (["rejected", "registered", "unregistered"], 2, 20.0),
        (["unwatched", "registered", "unknown"], 0, 0.0),  # what nobody knows is no outage
    ],
)
def test_outages_are_counted_once_each(states: list[str], count: int, seconds: float) -> None:
    parts = [Stretch(index * 10.0, index * 10.0 + 10.0, state) for index, state in enumerate(states)]
    assert outages(parts) == (count, seconds)


@pytest.mark.parametrize(
    ("entries", "watched", "expected"),
    [
        ([], ALL_DAY, 900.0),
        ([changed(200.0, "rejected", "registered")], ALL_DAY, 200.0),
        # the watcher was restarted at 890, and nobody knew for 10 s
        ([changed(200.0, "rejected", "registered"), changed(890.0, "registered", "unknown")], ALL_DAY, 200.0),
        # nobody knew for longer than a restart takes
        ([changed(200.0, "rejected", "registered"), changed(700.0, "registered", "unknown")], ALL_DAY, 900.0),
        # another state lay between
        ([changed(200.0, None, "registered"), changed(500.0, "registered", "rejected")], ALL_DAY, 900.0),
        # nobody watched from 300 to 600
        ([changed(200.0, None, "registered")], (WatchedPeriod(0.0, 300.0), WatchedPeriod(600.0, 1000.0)), 600.0),
    ],
)
def test_a_restart_of_the_watcher_does_not_make_a_state_younger(
    entries: list[WatcherEvent], watched: Sequence[WatchedPeriod], expected: float
) -> None:
    assert held_since(entries, watched, state="registered", since=900.0) == expected


def test_runs_that_follow_each_other_closely_are_one() -> None:
    runs = [WatchedPeriod(50.0, 60.0), WatchedPeriod(0.0, 10.0), WatchedPeriod(12.0, 30.0), WatchedPeriod(5.0, 11.0)]
    assert joined(runs, gap_s=5.0) == (WatchedPeriod(0.0, 30.0), WatchedPeriod(50.0, 60.0))


def test_a_storm_of_phones_pushes_out_phones_and_never_a_trunk() -> None:
    memory = RecentEvents(size=10)
    memory.add([changed(1.0, None, "registered")])
    memory.add(
        WatcherEvent(2.0 + number, EventKind.CONTACT, str(number), None, "10.0.0.5:5060") for number in range(1000)
    )
    assert [entry.subject for entry in memory.recall(kind=EventKind.REGISTRATION)] == ["acme"]
    assert len(memory.recall(kind=EventKind.CONTACT)) == 10


def test_memory_is_asked_by_time_kind_subject_and_number_and_answers_in_order() -> None:
    memory = RecentEvents()
    memory.add([changed(1.0, None, "registered"), changed(3.0, "registered", "rejected")])
    memory.add([WatcherEvent(2.0, EventKind.CONTACT, "100", None, "10.0.0.5:5060")])
    assert [entry.at for entry in memory.recall()] == [1.0, 2.0, 3.0]
    assert [entry.at for entry in memory.recall(since=2.0)] == [2.0, 3.0]
    assert [entry.at for entry in memory.recall(subject="acme", limit=1)] == [3.0]
    assert memory.recall(kind=EventKind.LINK) == []
    last = memory.last(EventKind.REGISTRATION, "acme")
    assert last is not None
    assert last.after == "rejected"
