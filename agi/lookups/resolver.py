"""Lookups: the call's side of Domino. Fast when the answer is known, bounded when it is not, and never in the way.

An answer comes from memory, from the cache file or from Domino, in this order. Domino is asked once however many
calls wait for the same answer, not at all while the breaker is open, and behind the call's back when an answer only
wants renewing. Nothing here raises for anything that happens outside: the answer says it.

requests, sqlite3 and phonenumbers are imported when they are first needed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from agi.domino.errors import DominoLate
from agi.lookups.answer import LookupAnswer, LookupStatus
from agi.lookups.breaker import CircuitBreaker
from agi.lookups.cache import CachedAnswer, CacheKey, MemoryCache, Validity
from agi.lookups.cache_file import CacheFile
from agi.lookups.in_flight import MOST, RequestsInFlight
from agi.lookups.question import LookupQuestion
from host.errors import HotstandbyError
from host.places import Places

if TYPE_CHECKING:
    from agi.domino.marker import MarkerChecker
    from agi.domino.rows import LookupSource
    from agi.domino.source import DominoSites
    from pair.model import Pair
    from pair.sections.lookup import Lookup

log = logging.getLogger(__name__)

_KEEP: Final = 8
"""Idle connections to keep for each site."""
_DISK_S: Final = 0.2
"""How long a call waits for the cache file, if it has twice that left. Opening it takes a tenth of a second."""


class LookupResolver:
    """All [lookup.X] of a pair.toml. Safe for several threads.

    Attributes:
        counts: (name, status) -> answers given so far.
    """

    def __init__(
        self,
        places: Places,
        pair: Pair,
        *,
        breaker: CircuitBreaker = CircuitBreaker(),  # noqa: B008 (frozen)
        most: int = MOST,
    ) -> None:
        """
        Args:
            breaker: each lookup starts with this one.
            most: requests to Domino at a time.
        """
        self._places = places
        self._memory = MemoryCache()
        self._file = CacheFile(places.agi_state / "lookups.sqlite")
        self._questions = {name: self._question(name, lookup) for name, lookup in pair.lookup.items()}
        self._requests = RequestsInFlight(self._questions, self._keep, breaker=breaker, most=most)
        self._counting = threading.Lock()
        self._pair = pair
        self._checker: MarkerChecker | None = None
        self._stays = False
        self._sites_made: DominoSites | None = None
        self._renewals: SimpleQueue[tuple[LookupQuestion, str, CacheKey] | None] = SimpleQueue()
        self._renewing: set[CacheKey] = set()
        self.counts: Counter[tuple[str, LookupStatus]] = Counter()

    @property
    def names(self) -> tuple[str, ...]:
        """The lookups there are."""
        return tuple(self._questions)

    def __getitem__(self, name: str) -> LookupQuestion:
        """The lookup of that name.

        Raises:
            KeyError
        """
        return self._questions[name]

    def stay(self) -> None:
        """This process lives on: connections are kept, answers renewed behind calls, and the markers of the sites
        watched. Takes a moment for the slow imports, which are done here: two threads that import requests at the
        same time leave it half-made for good, since its modules import each other.
        """
        from agi.domino.marker import MarkerChecker
        from pair.reading import this_machine

        self._stays = True
        self._file.warm()
        if self._questions or self._pair.domino.sites:
            self._sites()
        for question in self._questions.values():
            question.warm_up()
        try:
            self._checker = MarkerChecker(self._pair, this_machine(self._places, self._pair))
        except HotstandbyError as error:
            log.warning("The markers of Domino's sites are not checked: %s", error)
        else:
            self._checker.start()
        threading.Thread(target=self._renew, name="lookup renewals", daemon=True).start()

    def close(self) -> None:
        """Writes what the cache file still has to get, and closes idle connections; a second at most."""
        self._renewals.put(None)
        if self._checker is not None:
            self._checker.close()
        self._file.close(1.0)
        if self._sites_made is not None:
            self._sites_made.close()

    def cached(self, name: str, key: str) -> LookupAnswer | None:
        """The answer if memory has one that need not wait for Domino, else None. Never waits.

        Raises:
            KeyError: there is no such lookup.
        """
        question = self._questions[name]
        cache_key = question.cache_key(key)
        if cache_key is None:
            return self._counted(question, question.answer(LookupStatus.NOTFOUND, reason="the call has no such key"))
        entry = self._memory.get(cache_key)
        answer = None if entry is None else self._without_asking(question, key, cache_key, entry)
        return None if answer is None else self._counted(question, answer)

    def find(self, name: str, key: str, deadline: float, *, handed_over: bool = False) -> LookupAnswer:
        """The answer, by `deadline` (time.monotonic() seconds) or the lookup's own, whichever comes first.

        Args:
            handed_over: whether Asterisk's own launcher asks (Call.handed_over): Domino keeps places for those.

        Raises:
            KeyError: there is no such lookup.
        """
        question = self._questions[name]
        cache_key = question.cache_key(key)
        if cache_key is None:
            return self._counted(question, question.answer(LookupStatus.NOTFOUND, reason="the call has no such key"))
        deadline = min(deadline, time.monotonic() + question.deadline_s)
        entry = self._kept(question, cache_key, deadline)
        answer = None if entry is None else self._without_asking(question, key, cache_key, entry)
        if answer is None:
            answer = self._asked(question, key, cache_key, entry, deadline, handed_over=handed_over)
        return self._counted(question, answer)

    def states(self) -> dict[str, str]:
        """For each lookup, one sentence on how its Domino is doing."""
        return self._requests.states()

    def sites(self) -> dict[str, str]:
        """For each alias of Domino, one sentence on whether it reaches this machine's own site, as seen last."""
        return {} if self._checker is None else {alias: found.said for alias, found in self._checker.state.items()}

    @property
    def sites_ok(self) -> bool:
        """Whether no alias is known to reach a wrong site."""
        return self._checker is None or self._checker.ok

    def _without_asking(
        self, question: LookupQuestion, key: str, cache_key: CacheKey, entry: CachedAnswer
    ) -> LookupAnswer | None:
        use = question.freshness.use(entry, time.time())
        if use is Validity.FRESH:
            return question.answer(LookupStatus.FOUND if entry.fields is not None else LookupStatus.NOTFOUND, entry)
        if use is Validity.RENEW and self._stays:
            if cache_key not in self._renewing and not self._requests.is_under_way(cache_key):
                self._renewing.add(cache_key)
                self._renewals.put((question, key, cache_key))
            return question.answer(LookupStatus.STALE, entry, "an older answer, which is being renewed")
        return None

    def _keep(self, cache_key: CacheKey, entry: CachedAnswer) -> None:
        self._memory.put(cache_key, entry)
        self._file.put(cache_key, entry)

    def _kept(self, question: LookupQuestion, cache_key: CacheKey, deadline: float) -> CachedAnswer | None:
        entry = self._memory.get(cache_key)
        if entry is None:
            left = deadline - time.monotonic()
            entry = self._file.get(cache_key, min(_DISK_S, left / 2)) if left > 0 else None
            if entry is not None:
                entry = question.kept(entry)
                self._memory.put(cache_key, entry)
        return entry

    def _asked(
        self,
        question: LookupQuestion,
        key: str,
        cache_key: CacheKey,
        entry: CachedAnswer | None,
        deadline: float,
        *,
        handed_over: bool,
    ) -> LookupAnswer:
        """Domino's answer, or why there is none and what is kept instead."""
        try:
            fresh = self._requests.wait(question, key, cache_key, deadline, handed_over=handed_over)
        except TimeoutError:
            status, reason = LookupStatus.TIMEOUT, "Domino has not answered by the deadline"
        except HotstandbyError as error:
            status, reason = LookupStatus.TIMEOUT if isinstance(error, DominoLate) else LookupStatus.ERROR, str(error)
        else:
            return question.answer(LookupStatus.FOUND if fresh.fields is not None else LookupStatus.NOTFOUND, fresh)
        if entry is not None and question.freshness.use(entry, time.time()) in (Validity.RENEW, Validity.FALLBACK):
            return question.answer(LookupStatus.STALE, entry, reason)
        return question.answer(status, reason=reason)

    def _renew(self) -> None:
        """What happens behind calls. Domino may well not let us, and then the old answer has to do."""
        while (wanted := self._renewals.get()) is not None:
            self._renewing.discard(wanted[2])
            with suppress(HotstandbyError):
                # Calls come first: what finds no place at once is wanted again by the next call.
                self._requests.begin(*wanted, time.monotonic())

    def _question(self, name: str, lookup: Lookup) -> LookupQuestion:
        made: list[LookupSource] = []

        def source() -> LookupSource:
            if not made:
                made.append(self._sites().source(lookup))
            return made[0]

        return LookupQuestion(name, lookup, source)

    def _sites(self) -> DominoSites:
        with _importing:
            if self._sites_made is None:
                from agi.domino.source import DominoSites

                self._sites_made = DominoSites(self._places, keep=_KEEP if self._stays else 0)
            return self._sites_made

    def _counted(self, question: LookupQuestion, answer: LookupAnswer) -> LookupAnswer:
        with self._counting:
            self.counts[question.name, answer.status] += 1
        return answer


_importing = threading.Lock()
