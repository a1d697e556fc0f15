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

from agi.domino.errors import SERVER_FAILURES, DominoLate, DominoUnreachable
from agi.lookups.breaker import CircuitBreaker
from agi.lookups.cache import CachedAnswer, CacheKey
from host.errors import HotstandbyError
from host.printable import printable

if TYPE_CHECKING:
    from agi.lookups.question import LookupQuestion

log = logging.getLogger(__name__)

MOST: Final = 32
"""Requests at a time, all lookups together; Domino's default is 40 threads for everybody."""
RESERVE: Final = 4
"""One of so many places is kept for calls that Asterisk handed over: whoever reaches FastAGI's port can ask for keys
without end, and Domino may be slow for each."""
_GRACE_S: Final = 0.02
"""A request ends by its deadline; so much later it has told why."""


class RequestsInFlight:
    """See the module.

    Args:
        names: of the lookups.
        landed: told every answer, in the request's thread.
        breaker: each lookup starts with this one.
        most: at a time.
    """

    def __init__(
        self,
        names: Iterable[str],
        answered: Callable[[CacheKey, CachedAnswer], None],
        *,
        breaker: CircuitBreaker,
        most: int = MOST,
    ) -> None:
        self._answered = answered
        self._most = most
        self._share = most - most // RESERVE
        # One for calls that were handed over, one for the others: whose keys make Domino slow is left alone by itself.
        self._names = tuple(names)
        self._breakers = {(name, handed_over): breaker for name in self._names for handed_over in (True, False)}
        self._requests: dict[CacheKey, Future[CachedAnswer]] = {}
        self._others: set[CacheKey] = set()
        self._changed = threading.Condition()

    def is_under_way(self, cache_key: CacheKey) -> bool:
        """Whether somebody asks for `cache_key` right now."""
        return cache_key in self._requests

    def states(self) -> dict[str, str]:
        """For each lookup, one sentence on how its Domino is doing."""
        now = time.monotonic()
        worse = {
            name: max(self._breakers[name, True], self._breakers[name, False], key=lambda one: one.failures)
            for name in self._names
        }
        return {name: _state(breaker, now) for name, breaker in worse.items()}

    def wait(
        self, question: LookupQuestion, key: str, cache_key: CacheKey, deadline: float, *, handed_over: bool = False
    ) -> CachedAnswer:
        """Domino's answer, by `deadline` (time.monotonic() seconds). A request that somebody else began, with less
        time, and that ends late, is followed by one of our own.

        Raises:
            TimeoutError: it goes on beyond `deadline`.
            HotstandbyError: what went wrong with it.
        """
        while True:
            request, ours = self.begin(question, key, cache_key, deadline, handed_over=handed_over)
            try:
                return request.result(max(deadline - time.monotonic(), 0) + _GRACE_S)
            except DominoLate:
                if ours or time.monotonic() >= deadline:
                    raise

    def begin(
        self, question: LookupQuestion, key: str, cache_key: CacheKey, until: float, *, handed_over: bool = False
    ) -> tuple[Future[CachedAnswer], bool]:
        """The request that is under way for `cache_key`, begun if there is none; and whether it was.

        Args:
            until: how long to wait for its turn.
            handed_over: by Asterisk's own launcher, so that the places kept for those are its as well.

        Raises:
            DominoUnreachable: the breaker is open.
            DominoLate: its turn did not come.
        """
        with self._changed:
            while (request := self._requests.get(cache_key)) is None and self._full(handed_over):
                if not self._changed.wait(max(until - time.monotonic(), 0)):
                    raise DominoLate(f"Domino was not asked: {len(self._requests)} requests to it are under way")
            if request is not None:
                return request, False
            now = time.monotonic()
            breaker = self._breakers[question.name, handed_over]
            if not breaker.lets(now):
                raise DominoUnreachable(f"Domino was not asked: {_state(breaker, now)}")
            deadline = now + question.deadline_s
            self._breakers[question.name, handed_over] = breaker.asking(now, deadline)
            request = self._requests[cache_key] = Future()
            if not handed_over:
                self._others.add(cache_key)
        try:
            arguments = (question, key, cache_key, request, deadline, handed_over)
            threading.Thread(target=self._run, args=arguments, name=f"lookup {question.name}", daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._end(cache_key)
            request.set_exception(DominoUnreachable(f"Domino was not asked: {error}"))
        return request, True

    def _full(self, handed_over: bool) -> bool:
        return len(self._requests) >= self._most or (not handed_over and len(self._others) >= self._share)

    def _run(
        self,
        question: LookupQuestion,
        key: str,
        cache_key: CacheKey,
        request: Future[CachedAnswer],
        deadline: float,
        handed_over: bool,
    ) -> None:
        try:
            entry = question.ask(key, deadline)
            self._answered(cache_key, entry)
        except HotstandbyError as error:
            failure: Exception | None = error
        except Exception as error:
            log.exception("lookup.%s broke; the call goes on without it", question.name)
            failure = HotstandbyError(f"a defect of hotstandby, see its log: {type(error).__name__}")
        else:
            failure = None
        self._judge(question.name, handed_over, failure)
        self._end(cache_key)
        if failure is None:
            request.set_result(entry)
        else:
            request.set_exception(failure)

    def _end(self, cache_key: CacheKey) -> None:
        with self._changed:
            del self._requests[cache_key]
            self._others.discard(cache_key)
            self._changed.notify_all()

    def _judge(self, name: str, handed_over: bool, failure: Exception | None) -> None:
        """The breaker after one request; opening and closing it is worth a line in the log."""
        with self._changed:
            before = self._breakers[name, handed_over]
            after = before.failed(time.monotonic()) if isinstance(failure, SERVER_FAILURES) else before.answered()
            self._breakers[name, handed_over] = after
        if before.open_until is None and after.open_until is not None:
            log.warning("lookup.%s: %s. It is left alone for %g s", name, printable(str(failure), 300), after.pause_s)
        elif before.open_until is not None and after.open_until is None:
            log.warning("lookup.%s: Domino answers again", name)


def _state(breaker: CircuitBreaker, now: float) -> str:
    if breaker.open_until is None:
        return "answers" if not breaker.failures else f"{breaker.failures} failures in a row"
    wait = max(breaker.open_until - now, 0)
    return f"{breaker.failures} failures in a row, next try in {wait:.0f} s"
