"""Waiting for calls to end: by the number that is left, until a limit, and never longer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from failover.demotion.drain import wait_for_calls
from failover.runner.progress import ProgressEvent, ProgressKind


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def drained(seen: Sequence[int | None], limit_s: float) -> tuple[str, float, list[tuple[ProgressKind, str]]]:
    left, clock, told = iter(seen), Time(), list[ProgressEvent]()
    done = wait_for_calls(lambda: next(left), "boston", limit_s, told.append, now=clock.now, sleep=clock.sleep)
    assert next(left, "all were looked at") == "all were looked at"
    return done.words, done.seconds, [(one.kind, one.words) for one in told if one.kind is not ProgressKind.BEGAN]


@pytest.mark.parametrize(
    ("seen", "limit_s", "words", "seconds"),
    [
        ([0], 600.0, "no call is left on boston", 0.0),
        ([2, 2, 1, 0], 600.0, "no call is left on boston", 6.0),
        ([None, 1, 0], 600.0, "no call is left on boston", 4.0),  # not seen is not none
        ([1, 1], 2.0, "1 call is left on boston after 2 s; it goes on all the same, and so do they", 2.0),
        ([3, 3, 3], 3.0, "3 calls are left on boston after 3 s; it goes on all the same, and so do they", 3.0),
        ([None, None], 1.0, "calls cannot be seen on boston after 1 s; it goes on all the same, and so do they", 1),
    ],
)
def test_it_waits_until_none_is_left_or_the_limit(
    seen: Sequence[int | None], limit_s: float, words: str, seconds: float
) -> None:
    said, took, told = drained(seen, limit_s)
    assert (said, took) == (words, seconds)
    assert told[-1] == (ProgressKind.VERIFIED if seen[-1] == 0 else ProgressKind.OPEN, words)


def test_it_tells_every_change_once() -> None:
    told = drained([2, 2, 1, 1, 0], 600.0)[2]
    assert [words for what, words in told if what is ProgressKind.HELD] == [
        "2 calls are left on boston; waiting for another 10 min at most",
        "1 call is left on boston; waiting for another 10 min at most",
    ]
