"""Moves routes at a carrier: read, compare, save, set, read back, one result for each number.

A success that the carrier reports is not a result; what it says when it is asked again is one. A write whose answer
did not come is never repeated before reading: it may have been carried out.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from failover.steps.carrier.http import (
    CarrierBusy,
    CarrierClient,
    CarrierError,
    CarrierNotReached,
    CarrierRefused,
    CarrierUnclear,
)
from failover.steps.carrier.preset import Preset, PresetUnusable, RequestTemplate, ValueMissing, taken
from pair.sections.carrier import Carrier
from pair.telephone import NumberUnclear, as_carrier_wants

_AT_ONCE: Final = 4
"""Requests at the same time; more would meet the carriers' limits sooner."""
_BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between reads: a carrier may need a moment until it shows what it was told."""
_STEADY_S: Final = 2.0
"""Seconds between attempts after these, until the deadline: a carrier's gateway may be back at any moment."""
_MOST_ITEMS: Final = 200
"""Numbers that are under way at the same time, most of them waiting: one that fails holds up none of the others."""


class RouteOutcome(Enum):
    """What became of one number."""

    SAME = "same"
    MOVED = "moved"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RouteResult:
    """One number, or one switch, after it was moved.

    Attributes:
        item: the number as in pair.toml, or the switch.
        before: what the carrier said first; empty when it said nothing.
        after: what it said last.
        outcome: what that means.
        words: why it failed; empty when it did not.
    """

    item: str
    before: str
    after: str
    outcome: RouteOutcome
    words: str = ""


@dataclass(frozen=True, slots=True)
class RouteReading:
    """What the carrier says of one item.

    Attributes:
        now: its route, or "true" or "false" for a switch.
        taken: what else the preset takes from the answer, such as an id.
    """

    now: str
    taken: Mapping[str, str]


class Deadline:
    """Seconds that are left of a total; tests give a clock of their own."""

    def __init__(
        self,
        seconds: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now = now
        self._end = now() + seconds
        self.sleep = sleep

    @property
    def left_s(self) -> float:
        """Never negative."""
        return max(0.0, self._end - self._now())


def _waits() -> Iterator[float]:
    """Seconds before each further attempt, without end."""
    return itertools.chain(_BACK_OFF_S, itertools.repeat(_STEADY_S))


class CarrierRoutes:
    """The routes at one carrier."""

    def __init__(self, carrier: Carrier, preset: Preset, api: CarrierClient) -> None:
        self._carrier = carrier
        self._preset = preset
        self._api = api
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    @property
    def title(self) -> str:
        """The carrier's name for people."""
        return self._preset.title

    def wanted(self, machine: str) -> dict[str, str]:
        """Item -> value, with `machine` as primary."""
        if self._preset.shape == "switches":
            return {self._carrier.routes[name]: "true" if name == machine else "false" for name in self._carrier.routes}
        return dict.fromkeys(self._carrier.dids, self._carrier.routes[machine])

    def read_all(self, items: Iterable[str], deadline: Deadline) -> dict[str, RouteReading | CarrierError]:
        """What the carrier says of each, or why it does not."""

        def read(item: str) -> RouteReading | CarrierError:
            try:
                return self._read_patiently(item, deadline)
            except CarrierError as error:
                return error

        asked = list(items)
        with ThreadPoolExecutor(_MOST_ITEMS) as pool:
            return dict(zip(asked, pool.map(read, asked), strict=True))

    def move_all(self, want: Mapping[str, str], deadline: Deadline) -> list[RouteResult]:
        """Sets each item that is not yet as wanted, and reads it back.

        Switches are switched on first, and the others off only when an enabled one was seen: a carrier that knows
        no machine at all drops every call.
        """
        if self._preset.shape == "switches":
            on = [self._move(item, value, deadline) for item, value in want.items() if value == "true"]
            if not any(result.outcome is not RouteOutcome.FAILED for result in on):
                why = "left as it is: nothing that could take its place was seen enabled"
                return on + [
                    RouteResult(item, "", "", RouteOutcome.FAILED, why)
                    for item, value in want.items()
                    if value != "true"
                ]
            return on + [self._move(item, value, deadline) for item, value in want.items() if value != "true"]
        with ThreadPoolExecutor(_MOST_ITEMS) as pool:
            return list(pool.map(lambda item: self._move(item, want[item], deadline), want))

    def _move(self, item: str, value: str, deadline: Deadline) -> RouteResult:
        before = ""
        try:
            seen = self._read_patiently(item, deadline)
            before = seen.now
            if before == value:
                return RouteResult(item, before, before, RouteOutcome.SAME)
            seen = self._set(item, value, seen, deadline)
        except CarrierError as error:
            return RouteResult(item, before, "", RouteOutcome.FAILED, str(error))
        if seen.now != value:
            words = f"{self.title} took the change and still says {seen.now or 'nothing'} instead of {value}"
            return RouteResult(item, before, seen.now, RouteOutcome.FAILED, words)
        return RouteResult(item, before, value, RouteOutcome.MOVED)

    def _set(self, item: str, value: str, seen: RouteReading, deadline: Deadline) -> RouteReading:
        """Writes, and reads until it shows; what is not known to be done is read before it is written again.

        Raises:
            CarrierError
        """
        for wait_s in _waits():
            try:
                self._call(self._preset.set, item, {**seen.taken, **self._value(value)}, deadline)
            except CarrierBusy as error:
                self._pause(max(wait_s, error.pause_s), deadline, error)
                continue
            except CarrierNotReached as error:
                self._pause(wait_s, deadline, error)
                continue
            except CarrierUnclear as error:
                seen = self._read_until(item, value, deadline)
                if seen.now == value:
                    return seen
                # It is undone for certain now; once more, while there is time.
                self._pause(wait_s, deadline, error)
            else:
                return self._read_until(item, value, deadline)
        raise AssertionError("the waits have no end")

    def _read_until(self, item: str, value: str, deadline: Deadline) -> RouteReading:
        seen = self._read_patiently(item, deadline)
        for wait_s in _BACK_OFF_S:
            if seen.now == value or deadline.left_s <= wait_s:
                break
            deadline.sleep(wait_s)
            seen = self._read_patiently(item, deadline)
        return seen

    def _read_patiently(self, item: str, deadline: Deadline) -> RouteReading:
        """Reading twice harms nobody, so it is tried again until the deadline."""
        for wait_s in _waits():
            try:
                return self._read(item, deadline)
            except CarrierBusy as error:
                self._pause(max(wait_s, error.pause_s), deadline, error)
            except (CarrierUnclear, CarrierNotReached) as error:
                self._pause(wait_s, deadline, error)
        raise AssertionError("the waits have no end")

    def _read(self, item: str, deadline: Deadline) -> RouteReading:
        answer = self._call(self._preset.read, item, {}, deadline)
        values = self._values(item)
        try:
            found = {
                name: self._api.told(taken(answer, place, values), known=self._carrier.routes.values())
                for name, place in self._preset.read.take.items()
            }
            now = found.pop("now")
            if missing := [name for name, value in found.items() if not value]:
                raise ValueMissing(f"no {', '.join(missing)}")
        except ValueMissing as error:
            raise CarrierUnclear(f"{self.title} does not tell the route of {item}: {error}") from None
        return RouteReading(now, found)

    def _call(self, request: RequestTemplate, item: str, more: Mapping[str, str], deadline: Deadline) -> Any:
        if deadline.left_s <= 0:
            raise CarrierUnclear(
                f"{self.title}: no time was left of the {self._carrier.deadline_s:g} s for all numbers"
            )
        values = {**self._values(item), **more}
        if not self._places.acquire(timeout=deadline.left_s):
            raise CarrierUnclear(f"{self.title}: other numbers took all of the {self._carrier.deadline_s:g} s")
        try:
            return self._api.call(request, values, deadline_s=max(0.1, deadline.left_s))
        except PresetUnusable as error:
            # An id that the carrier told cannot stand in a path.
            raise CarrierUnclear(f"{self.title}: {error}") from None
        finally:
            self._places.release()

    def _pause(self, seconds: float, deadline: Deadline, error: CarrierError) -> None:
        """Waits, unless the time would be over: then the error stands."""
        if deadline.left_s <= seconds:
            raise error
        deadline.sleep(seconds)

    def _values(self, item: str) -> dict[str, str]:
        if self._preset.shape == "switches":
            return {**self._carrier.values, "route": item}
        try:
            return {**self._carrier.values, "number": as_carrier_wants(item, self._preset.number)}
        except NumberUnclear as error:
            # Its own failure: the numbers beside it are moved.
            raise CarrierRefused(str(error)) from None

    def _value(self, value: str) -> dict[str, str]:
        return {"state": value} if self._preset.shape == "switches" else {"route": value}
