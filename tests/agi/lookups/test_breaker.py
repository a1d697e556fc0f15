"""When a Domino that does not answer is left alone, as a table of what happened when."""

from __future__ import annotations

import pytest

from agi.lookups.breaker import CircuitBreaker

NEW = CircuitBreaker(tolerated=3, pause_s=5, longest_s=12)


def after(*failed_at: float) -> CircuitBreaker:
    breaker = NEW
    for at in failed_at:
        breaker = breaker.asking(at, at + 1).failed(at)
    return breaker


@pytest.mark.parametrize(
    ("breaker", "now", "lets"),
    [
        (NEW, 0, True),
        (after(0, 1), 1, True),
        (after(0, 1, 2), 2, False),
        (after(0, 1, 2), 6.9, False),
        (after(0, 1, 2), 7, True),  # the probe
        (after(0, 1, 2).asking(7, 8), 7.5, False),  # one probe at a time
        (after(0, 1, 2).asking(7, 8), 8, True),  # it never reported
        (after(0, 1, 2, 7), 16.9, False),  # it failed: twice the pause
        (after(0, 1, 2, 7), 17, True),
        (after(0, 1, 2, 7, 17), 28.9, False),  # no longer than the longest
        (after(0, 1, 2, 7, 17), 29, True),
        (after(0, 1, 2).answered(), 2, True),
        (after(0, 1).answered().failed(2), 2, True),  # in a row
        (after(0, 1, 2).failed(6), 7, True),  # asked before it opened: no longer pause for that
    ],
)
def test_three_failures_open_it_and_one_probe_at_a_time_closes_it(
    breaker: CircuitBreaker, now: float, lets: bool
) -> None:
    assert breaker.lets(now) is lets
