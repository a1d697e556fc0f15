"""Many probes beside each other, done when all are or when the time is up."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from host.printable import printable

Value = TypeVar("Value")

log = logging.getLogger(__name__)

TOTAL_S: Final = 5.0
"""Seconds for all probes together: somebody waits with the phones down."""


@dataclass(frozen=True, slots=True)
class Probe(Generic[Value]):
    """A probe that is ready to run.

    Attributes:
        ask: does it; keeps to its own deadline, and raises nothing on purpose.
        late: what counts where it is not back when the time for all is up.
    """

    ask: Callable[[], Value]
    late: Callable[[float], Value]


@dataclass(frozen=True, slots=True)
class Enough(Generic[Value]):
    """When the rest need not be waited for.

    Attributes:
        after_s: seconds, not before.
        seen: whether what is back by then, by position, is enough.
    """

    after_s: float
    seen: Callable[[Mapping[int, Value]], bool]


def run_probes(
    looks: Sequence[Probe[Value]], *, total_s: float = TOTAL_S, enough: Enough[Value] | None = None
) -> tuple[Value, ...]:
    """Runs every probe in a thread of its own; the values in the order of `looks`.

    A probe that hangs beyond the total keeps its thread, which ends with the process, and holds up nobody.
    """
    done: queue.SimpleQueue[tuple[int, Value | None]] = queue.SimpleQueue()

    def run(number: int, look: Probe[Value]) -> None:
        value: Value | None = None
        try:
            value = look.ask()
        except Exception as error:
            log.warning("a probe broke (%s), so what it asked counts as unanswered", printable(repr(error)))
        done.put((number, value))

    for number, look in enumerate(looks):
        threading.Thread(target=run, args=(number, look), name=f"probe-{number}", daemon=True).start()
    started = time.monotonic()
    values: dict[int, Value] = {}
    end = started + total_s
    hurry = started + enough.after_s if enough is not None else end
    left = len(looks)
    while left:
        try:
            number, value = done.get(timeout=max(0.0, min(end, hurry) - time.monotonic()))
        except queue.Empty:
            if enough is not None and hurry < end and not enough.seen(values):
                hurry = end
                continue
            break
        left -= 1
        if value is not None:
            values[number] = value
    took = time.monotonic() - started
    return tuple(values[number] if number in values else look.late(took) for number, look in enumerate(looks))
