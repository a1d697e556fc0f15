"""Answers that Domino gave before, and what each is still good for. Rules and a bounded memory; no I/O, no clock."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

MEMORY_ROWS: Final = 20_000
"""Answers kept in memory; about 20 MB when each has a few fields."""


class Validity(Enum):
    """What an answer of some age is good for."""

    FRESH = "fresh"
    """As good as asking."""
    RENEW = "renew"
    """Given at once, while Domino is asked behind the call's back."""
    FALLBACK = "fallback"
    """Given only when Domino does not answer."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long answers are good, seconds since Domino gave them.

    Attributes:
        fresh_s, renew_s, stale_s: until then an answer is FRESH, RENEW, FALLBACK.
        missing_s: until then a "not found" is FRESH; after that it is worth nothing.
    """

    fresh_s: float
    renew_s: float
    stale_s: float
    missing_s: float

    def use(self, entry: CachedAnswer, now: float) -> Validity:
        """What `entry` is good for at `now` (wall clock, seconds).

        An entry from the future is what a clock that was set back leaves behind: its age is not known, so it is
        never fresh.
        """
        age = now - entry.stored
        if entry.fields is None:
            return Validity.FRESH if 0 <= age < self.missing_s else Validity.NONE
        if age < 0:
            return Validity.FALLBACK if age > -self.stale_s else Validity.NONE
        if age < self.fresh_s:
            return Validity.FRESH
        if age < self.renew_s:
            return Validity.RENEW
        return Validity.FALLBACK if age < self.stale_s else Validity.NONE


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """One answer.

    Attributes:
        fields: by name; None: Domino said that there is nothing under the key.
        stored: wall clock, seconds, because it outlives a restart.
    """

    fields: Mapping[str, str] | None
    stored: float


CacheKey = tuple[str, str]
"""Which question (its name and a digest of its configuration), and the key."""


class MemoryCache:
    """The answers used last. Never waits for anything but a dictionary."""

    def __init__(self, rows: int = MEMORY_ROWS) -> None:
        self._rows = rows
        self._entries: OrderedDict[CacheKey, CachedAnswer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, cache_key: CacheKey) -> CachedAnswer | None:
        """The answer kept for `cache_key`."""
        with self._lock:
            entry = self._entries.get(cache_key)
            if entry is not None:
                self._entries.move_to_end(cache_key)
            return entry

    def put(self, cache_key: CacheKey, entry: CachedAnswer) -> None:
        """Keeps `entry`; the one unused for longest goes when there are too many."""
        with self._lock:
            self._entries[cache_key] = entry
            self._entries.move_to_end(cache_key)
            while len(self._entries) > self._rows:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)
