"""How long the loop may have to wait for Python itself, while documents are made beside it.

Looking for garbage that refers to itself holds all threads, for a tenth of a second where thousands of trunks and
phones are known; and documents of thousands of rows make Python look among everything every few seconds, to find
nothing. What refers to itself here is young when it ends (tasks, errors with their tracebacks), and the looks among the
young stay.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

YOUNG: Final = 5_000
"""Objects more than before that lead to a look among the youngest, which takes about a millisecond."""
MIDDLE: Final = 8
"""Of those looks lead to one among all that is not old: ten milliseconds."""
OLD: Final = 2_000
"""Of those lead to one among everything: a few times a day."""
TURN_S: Final = 0.001
"""How long another thread may go on when the loop wants to; it asks after each read and write anew."""


def shorten() -> None:
    """Takes what is here now for what stays; looks among everything but seldom; gives the loop its turn soon."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    sys.setswitchinterval(TURN_S)
