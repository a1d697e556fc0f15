"""One process at a time changes the localized directory; within a process, whoever holds it may go on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

from host.lock import Lock, LockHeld
from host.places import Places

_POLL_S: Final = 0.05
_here = threading.local()


@contextlib.contextmanager
def directory_lock(places: Places, purpose: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Holds the lock of the localized directory; nothing more where this thread holds it already.

    Args:
        purpose: what is being done, for whoever is kept out.
        wait_s: seconds to wait for another process.

    Raises:
        LockHeld: with who it is, and what it does.
        OSError
    """
    path = places.run / "render-localized.lock"
    if getattr(_here, "held", None) == path:
        yield
        return
    until = time.monotonic() + wait_s
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(Lock(path, purpose))
                break
            except LockHeld:
                if time.monotonic() >= until:
                    raise
                time.sleep(_POLL_S)
        _here.held = path
        try:
            yield
        finally:
            _here.held = None


LATE_S: Final = 5.0
"""How long whoever goes on without the lock waits for it: a swap takes less, what waits for a carrier takes more."""


@contextlib.contextmanager
def directory_lock_best_effort(places: Places, purpose: str, *, must: bool) -> Iterator[None]:
    """As `working`, for who gives something up, and must not be kept from it by another process.

    Args:
        must: the lock is needed: for who takes something.

    Raises:
        LockHeld: it is needed, and held for longer than LATE_S.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(directory_lock(places, purpose, wait_s=LATE_S))
        except (LockHeld, OSError):
            if must:
                raise
        yield
