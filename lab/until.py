"""Waiting for what must come: by asking again and again, with a limit that only ends a hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from lab.errors import LabError

HANG_S: Final = 60.0
"""Seconds after which a thing does not come any more, on a machine as busy as any."""
_PAUSE_S: Final = 0.05

Found = TypeVar("Found")


def until(
    found: Callable[[], Found | None],
    what: str,
    *,
    told: Callable[[], object] = str,
    lives: Callable[[], bool] = lambda: True,
    deadline_s: float = HANG_S,
) -> Found:
    """The first answer of `found` that is true.

    Args:
        found: asked every 50 ms; a LabError of its own means not yet.
        what: what is waited for, for the error.
        told: what else the error shows.
        lives: whether it can still come.

    Raises:
        LabError: it cannot come any more, or did not by the deadline.
    """
    begun = time.monotonic()
    while True:
        last: object = None
        try:
            if answer := found():
                return answer
        except LabError as error:
            last = error
        over = time.monotonic() - begun > deadline_s
        if over or not lives():
            when = f"within {deadline_s:g} s" if over else "before it ended"
            raise LabError(f"{what}: not {when}. {last or ''} {told()}".rstrip())
        time.sleep(_PAUSE_S)


def stays(holds: Callable[[], object], what: str, for_s: float) -> None:
    """Returns after so many seconds in which `holds` was true whenever it was asked.

    Raises:
        LabError: it was not.
    """
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < for_s:
        if not holds():
            raise LabError(f"{what}: no more after {passed:.2f} s")
        time.sleep(_PAUSE_S)
