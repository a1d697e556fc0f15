"""Requests to Domino that are under way: one for each key however many wait for it, so many in all, none to a dead one.

A request has a thread of its own and the lookup's own deadline. Whoever waits for it waits as long as their call
allows, and what comes later is kept for the next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from agi.breaker import Breaker
from agi.cache import Entry, Place
from agi.domino.errors import SICK, Late, Unreachable
from host.errors import HotstandbyError
from host.printable import printable

if TYPE_CHECKING:
    from agi.question import Question

log = logging.getLogger(__name__)

MOST: Final = 32
"""Requests at a time, all lookups together; Domino's default is 40 threads for everybody."""
_GRACE_S: Final = 0.02
"""A request ends by its deadline; so much later it has told why."""


class Flights:
    """See the module.

    Args:
        names: of the lookups.
        landed: told every answer, in the request's thread.
        breaker: each lookup starts with this one.
        most: at a time.
    """

    def __init__(
        self, names: Iterable[str], landed: Callable[[Place, Entry], None], *, breaker: Breaker, most: int = MOST
    ) -> None:
        self._landed = landed
        self._most = most
        self._breakers = dict.fromkeys(names, breaker)
        self._flights: dict[Place, Future[Entry]] = {}
        self._changed = threading.Condition()

    def under_way(self, place: Place) -> bool:
        """Whether somebody asks for `place` right now."""
        return place in self._flights

    def states(self) -> dict[str, str]:
        """For each lookup, one sentence on how its Domino is doing."""
        now = time.monotonic()
        return {name: _state(breaker, now) for name, breaker in self._breakers.items()}

    def wait(self, question: Question, key: str, place: Place, deadline: float) -> Entry:
        """Domino's answer, by `deadline` (time.monotonic() seconds). A request that somebody else began, with less
        time, and that ends late, is followed by one of our own.

        Raises:
            TimeoutError: it goes on beyond `deadline`.
            HotstandbyError: what went wrong with it.
        """
        while True:
            flight, ours = self.begin(question, key, place, deadline)
            try:
                return flight.result(max(deadline - time.monotonic(), 0) + _GRACE_S)
            except Late:
                if ours or time.monotonic() >= deadline:
                    raise

    def begin(self, question: Question, key: str, place: Place, until: float) -> tuple[Future[Entry], bool]:
        """The request that is under way for `place`, begun if there is none; and whether it was.

        Args:
            until: how long to wait for its turn.

        Raises:
            Unreachable: the breaker is open.
            Late: its turn did not come.
        """
        with self._changed:
            while (flight := self._flights.get(place)) is None and len(self._flights) >= self._most:
                if not self._changed.wait(max(until - time.monotonic(), 0)):
                    raise Late(f"Domino was not asked: {self._most} requests to it are under way")
            if flight is not None:
                return flight, False
            now = time.monotonic()
            breaker = self._breakers[question.name]
            if not breaker.lets(now):
                raise Unreachable(f"Domino was not asked: {_state(breaker, now)}")
            deadline = now + question.deadline_s
            self._breakers[question.name] = breaker.asking(now, deadline)
            flight = self._flights[place] = Future()
        try:
            arguments = (question, key, place, flight, deadline)
            threading.Thread(target=self._fly, args=arguments, name=f"lookup {question.name}", daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._end(place)
            flight.set_exception(Unreachable(f"Domino was not asked: {error}"))
        return flight, True

    def _fly(self, question: Question, key: str, place: Place, flight: Future[Entry], deadline: float) -> None:
        try:
            entry = question.ask(key, deadline)
            self._landed(place, entry)
        except HotstandbyError as error:
            failure: Exception | None = error
        except Exception as error:
            log.exception("lookup.%s broke; the call goes on without it", question.name)
            failure = HotstandbyError(f"a defect of hotstandby, see its log: {type(error).__name__}")
        else:
            failure = None
        self._judge(question.name, failure)
        self._end(place)
        if failure is None:
            flight.set_result(entry)
        else:
            flight.set_exception(failure)

    def _end(self, place: Place) -> None:
        with self._changed:
            del self._flights[place]
            self._changed.notify_all()

    def _judge(self, name: str, failure: Exception | None) -> None:
        """The breaker after one request; opening and closing it is worth a line in the log."""
        with self._changed:
            before = self._breakers[name]
            after = before.failed(time.monotonic()) if isinstance(failure, SICK) else before.answered()
            self._breakers[name] = after
        if before.open_until is None and after.open_until is not None:
            log.warning("lookup.%s: %s. It is left alone for %g s", name, printable(str(failure), 300), after.pause_s)
        elif before.open_until is not None and after.open_until is None:
            log.warning("lookup.%s: Domino answers again", name)


def _state(breaker: Breaker, now: float) -> str:
    if breaker.open_until is None:
        return "answers" if not breaker.failures else f"{breaker.failures} failures in a row"
    wait = max(breaker.open_until - now, 0)
    return f"{breaker.failures} failures in a row, next try in {wait:.0f} s"
