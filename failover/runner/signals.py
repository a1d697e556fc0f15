"""Signals that wait until a step is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

HELD: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What people, systemd and a closed terminal send."""


class HeldSignals:
    """The signals that came while they were held back."""

    def __init__(self) -> None:
        self._came: list[int] = []

    @property
    def came(self) -> str:
        """Name of the first that came, or empty."""
        return signal.Signals(self._came[0]).name if self._came else ""

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Handler: remembers, and does nothing else."""
        self._came.append(number)


@contextmanager
def hold_signals() -> Iterator[HeldSignals]:
    """Holds signals back; whoever uses it looks at `came` between two steps.

    SIGKILL cannot be held back: that is what the journal is for. Outside the main thread Python takes no handlers,
    and nothing needs holding back there, because signals reach the main thread alone.
    """
    waiting = HeldSignals()
    if threading.current_thread() is not threading.main_thread():
        yield waiting
        return
    before = {number: signal.signal(number, waiting.note) for number in HELD}
    try:
        yield waiting
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
