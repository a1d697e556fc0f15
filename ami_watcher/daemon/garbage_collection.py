"""Python's garbage collection in the daemon: rare among what stays, so that the loop hardly waits for it.

A full collection holds all threads, for a tenth of a second where thousands of trunks and phones are known; and
documents of thousands of rows bring one on every few seconds, to find nothing. What refers to itself here is young when
it ends (tasks, errors with their tracebacks), and collections of the young stay. With 10,000 phones and 2,000 trunks
asked for without a pause, the same answers took half of the processor time, and the loop's worst waits a third
(2026-11-26).
"""

from __future__ import annotations

import gc
import sys
from typing import Final

YOUNG: Final = 5_000
"""New objects that lead to a collection of the youngest, which takes about a millisecond."""
MIDDLE: Final = 8
"""Of those lead to one of all that is not old: ten milliseconds."""
OLD: Final = 2_000
"""Of those lead to a full one: a few times a day."""
SWITCH_S: Final = 0.001
"""How long another thread may go on when the loop wants to; it asks after each read and write anew."""


def make_rare() -> None:
    """Freezes live objects, makes full garbage collection rare, and gives the loop its turn soon."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    sys.setswitchinterval(SWITCH_S)
