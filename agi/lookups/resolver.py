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

from agi.domino.errors import Late
from agi.lookups.answer import Answer, Status
from agi.lookups.breaker import Breaker
from agi.lookups.cache import Entry, Memory, Place, Use
from agi.lookups.cache_file import CacheFile
from agi.lookups.in_flight import MOST, Flights
from agi.lookups.question import Question
from host.errors import HotstandbyError
from host.places import Places

if TYPE_CHECKING:
    from agi.domino.from_lookup import Sites
    from agi.domino.marker import Checker
    from agi.domino.rows import Source
    from pair.model import Pair
    from pair.sections.lookup import Lookup

log = logging.getLogger(__name__)

_KEEP: Final = 8
"""Idle connections to keep for each site."""
_DISK_S: Final = 0.2
"""How long a call waits for the cache file, if it has twice that left. Opening it takes a tenth of a second."""


class Lookups:
    """All [lookup.X] of a pair.toml. Safe for several threads.

    Attributes:
        counts: (name, status) -> answers given so far.
    """

    def __init__(
        self,
        places: Places,
        pair: Pair,
        *,
        breaker: Breaker = Breaker(),  # noqa: B008 (frozen)
        most: int = MOST,
    ) -> None:
        """
        Args:
            breaker: each lookup starts with this one.
            most: requests to Domino at a time.
        """
        self._places = places
        self._memory = Memory()
        self._file = CacheFile(places.agi_state / "lookups.sqlite")
        self._questions = {name: self._question(name, lookup) for name, lookup in pair.lookup.items()}
        self._flights = Flights(self._questions, self._keep, breaker=breaker, most=most)
        self._counting = threading.Lock()
        self._pair = pair
        self._checker: Checker | None = None
        self._stays = False
        self._sites_made: Sites | None = None
        self._renewals: SimpleQueue[tuple[Question, str, Place] | None] = SimpleQueue()
        self._renewing: set[Place] = set()
        self.counts: Counter[tuple[str, Status]] = Counter()

    @property
    def names(self) -> tuple[str, ...]:
        """The lookups there are."""
        return tuple(self._questions)

    def __getitem__(self, name: str) -> Question:
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
        from agi.domino.marker import Checker
        from pair.reading import this_machine

        self._stays = True
        self._file.warm()
        if self._questions or self._pair.domino.sites:
            self._sites()
        for question in self._questions.values():
            question.warm()
        try:
            self._checker = Checker(self._pair, this_machine(self._places, self._pair))
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

    def cached(self, name: str, key: str) -> Answer | None:
        """The answer if memory has one that need not wait for Domino, else None. Never waits.

        Raises:
            KeyError: there is no such lookup.
        """
        question = self._questions[name]
        place = question.place(key)
        if place is None:
            return self._counted(question, question.answer(Status.NOTFOUND, reason="the call has no such key"))
        entry = self._memory.get(place)
        answer = None if entry is None else self._at_once(question, key, place, entry)
        return None if answer is None else self._counted(question, answer)

    def find(self, name: str, key: str, deadline: float, *, handed_over: bool = False) -> Answer:
        """The answer, by `deadline` (time.monotonic() seconds) or the lookup's own, whichever comes first.

        Args:
            handed_over: whether Asterisk's own launcher asks (Call.handed_over): Domino keeps places for those.

        Raises:
            KeyError: there is no such lookup.
        """
        question = self._questions[name]
        place = question.place(key)
        if place is None:
            return self._counted(question, question.answer(Status.NOTFOUND, reason="the call has no such key"))
        deadline = min(deadline, time.monotonic() + question.deadline_s)
        entry = self._kept(question, place, deadline)
        answer = None if entry is None else self._at_once(question, key, place, entry)
        if answer is None:
            answer = self._asked(question, key, place, entry, deadline, handed_over=handed_over)
        return self._counted(question, answer)

    def states(self) -> dict[str, str]:
        """For each lookup, one sentence on how its Domino is doing."""
        return self._flights.states()

    def sites(self) -> dict[str, str]:
        """For each alias of Domino, one sentence on whether it reaches this machine's own site, as seen last."""
        return {} if self._checker is None else {alias: found.said for alias, found in self._checker.state.items()}

    @property
    def sites_ok(self) -> bool:
        """Whether no alias is known to reach a wrong site."""
        return self._checker is None or self._checker.ok

    @property
    def cache_failing(self) -> bool:
        """Whether the cache file does not work, so that memory alone serves."""
        return self._file.failing

    def _at_once(self, question: Question, key: str, place: Place, entry: Entry) -> Answer | None:
        use = question.keeping.use(entry, time.time())
        if use is Use.FRESH:
            return question.answer(Status.FOUND if entry.fields is not None else Status.NOTFOUND, entry)
        if use is Use.RENEW and self._stays:
            if place not in self._renewing and not self._flights.under_way(place):
                self._renewing.add(place)
                self._renewals.put((question, key, place))
            return question.answer(Status.STALE, entry, "an older answer, which is being renewed")
        return None

    def _keep(self, place: Place, entry: Entry) -> None:
        self._memory.put(place, entry)
        self._file.put(place, entry)

    def _kept(self, question: Question, place: Place, deadline: float) -> Entry | None:
        entry = self._memory.get(place)
        if entry is None:
            left = deadline - time.monotonic()
            entry = self._file.get(place, min(_DISK_S, left / 2)) if left > 0 else None
            if entry is not None:
                entry = question.kept(entry)
                self._memory.put(place, entry)
        return entry

    def _asked(
        self, question: Question, key: str, place: Place, entry: Entry | None, deadline: float, *, handed_over: bool
    ) -> Answer:
        """Domino's answer, or why there is none and what is kept instead."""
        try:
            fresh = self._flights.wait(question, key, place, deadline, handed_over=handed_over)
        except TimeoutError:
            status, reason = Status.TIMEOUT, "Domino has not answered by the deadline"
        except HotstandbyError as error:
            status, reason = Status.TIMEOUT if isinstance(error, Late) else Status.ERROR, str(error)
        else:
            return question.answer(Status.FOUND if fresh.fields is not None else Status.NOTFOUND, fresh)
        if entry is not None and question.keeping.use(entry, time.time()) in (Use.RENEW, Use.FALLBACK):
            return question.answer(Status.STALE, entry, reason)
        return question.answer(status, reason=reason)

    def _renew(self) -> None:
        """What happens behind calls. Domino may well not let us, and then the old answer has to do."""
        while (wanted := self._renewals.get()) is not None:
            self._renewing.discard(wanted[2])
            with suppress(HotstandbyError):
                # Calls come first: what finds no place at once is wanted again by the next call.
                self._flights.begin(*wanted, time.monotonic())

    def _question(self, name: str, lookup: Lookup) -> Question:
        made: list[Source] = []

        def source() -> Source:
            if not made:
                made.append(self._sites().source(lookup))
            return made[0]

        return Question(name, lookup, source)

    def _sites(self) -> Sites:
        with _importing:
            if self._sites_made is None:
                from agi.domino.from_lookup import Sites

                self._sites_made = Sites(self._places, keep=_KEEP if self._stays else 0)
            return self._sites_made

    def _counted(self, question: Question, answer: Answer) -> Answer:
        with self._counting:
            self.counts[question.name, answer.status] += 1
        return answer


_importing = threading.Lock()
