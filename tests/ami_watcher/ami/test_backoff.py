"""Pauses between attempts: they grow, they are bounded, and chance keeps two watchers apart."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ami_watcher.ami.backoff import Backoff


@given(st.integers(), st.integers(1, 200))
def test_every_pause_is_between_half_and_all_of_what_doubling_gives(seed: int, attempts: int) -> None:
    backoff = Backoff(0.25, 10.0, random.Random(seed))
    for attempt in range(attempts):
        whole = min(0.25 * 2.0 ** min(attempt, 100), 10.0)
        assert whole / 2 <= backoff.pause_s() <= whole


def test_success_begins_anew() -> None:
    backoff = Backoff(1.0, 60.0)
    for _ in range(10):
        backoff.pause_s()
    backoff.reset()
    assert backoff.pause_s() <= 1.0
