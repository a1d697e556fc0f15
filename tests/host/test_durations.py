from __future__ import annotations

from datetime import datetime

import pytest

from host.durations import at_clock, at_most, lasting


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (11_220, "3 h 7 min"),
        (172_800, "2 days"),
        (9 * 86_400, "9 days"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_a_moment_is_told_to_the_second() -> None:
    assert at_clock(datetime(2026, 11, 26, 23, 59, 30), 45.4) == "00:00:15"  # noqa: DTZ001 - the machine's own time


@pytest.mark.parametrize(("seconds", "words"), [(119, "119 s"), (596, "10 min"), (600, "10 min"), (7141, "2 h")])
def test_a_limit_is_never_told_too_short(seconds: float, words: str) -> None:
    assert at_most(seconds) == words
