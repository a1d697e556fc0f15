"""One [lookup.X] as something that can be asked: its key, its source at Domino, its answer's variables."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from agi.lookups.answer import LONGEST, NAME_LONGEST, LookupAnswer, LookupStatus, safe
from agi.lookups.cache import CachedAnswer, CacheKey, Freshness
from host.printable import printable
from pair import telephone

if TYPE_CHECKING:
    from agi.domino.rows import DominoRow, LookupSource
    from agi.protocol.environment import Environment
    from pair.sections.lookup import Lookup

log = logging.getLogger(__name__)

_KEY_LONGEST: Final = 100
_JOINED: Final = ", "
"""Between the values of a field that has several."""
_READING: Final = 2
"""Changed when answers that an earlier version kept could be another number's: they are not used any more."""
_OUTLIVES_THE_CACHE: Final = {
    "key", "defaults", "deadline_ms", "fresh_s", "renew_s", "stale_s", "missing_s", "login", "user", "secret_file",
}  # fmt: skip
"""Keys that may change without making the kept answers wrong."""


class LookupQuestion:
    """See the module.

    Attributes:
        name: X.
        freshness: how long its answers are good.
        deadline_s: for all that one asking takes.
    """

    def __init__(self, name: str, lookup: Lookup, source: Callable[[], LookupSource]) -> None:
        """
        Args:
            source: makes the source, when something is asked for the first time; it may raise HotstandbyError.
        """
        self.name = name
        self.lookup = lookup
        self.deadline_s = lookup.deadline_ms / 1000
        self.freshness = Freshness(lookup.fresh_s, lookup.renewed_until_s, lookup.stale_until_s, lookup.missing_s)
        shape = lookup.model_dump_json(exclude=_OUTLIVES_THE_CACHE)
        self._identity = f"{name}:{hashlib.sha256(f'{_READING}:{shape}'.encode()).hexdigest()[:16]}"
        self._source = source
        self._number = lookup.number
        self._complained = False

    def key_of(self, environment: Environment, arguments: tuple[str, ...]) -> str:
        """The key in a call; "" if there is none."""
        return next((found for place in self.lookup.key if (found := _field(place, environment, arguments))), "")

    def cache_key(self, given: str) -> CacheKey | None:
        """Where the answer for the key `given` is kept; None if it is no key, so that there is nothing to ask."""
        if self._number is not None:
            canonical = telephone.canonical(given, self._number.region)
            return None if canonical is None else (self._identity, canonical)
        text = given.strip()
        if not text or len(text) > _KEY_LONGEST or not text.isprintable():
            return None
        return self._identity, text

    def ask(self, given: str, deadline: float) -> CachedAnswer:
        """Domino's answer now; each spelling of the key is tried by the same deadline.

        Raises:
            DominoError, or another HotstandbyError if the configuration does not let us ask.
        """
        source = self._source()
        for spelling in self._spellings(given):
            rows = source.fetch(spelling, deadline)
            if rows:
                return CachedAnswer(self._picked(rows[0]), time.time())
        return CachedAnswer(None, time.time())

    def answer(self, status: LookupStatus, entry: CachedAnswer | None = None, reason: str = "") -> LookupAnswer:
        """What the dialplan is told, with the defaults where `entry` has no value.

        Whatever `entry` holds, nothing is set but what the lookup configures: it may come from a file that somebody
        else wrote, where a name such as FILE(…) would be a command to Asterisk.
        """
        found = entry.fields if entry is not None else None
        if not found:
            return LookupAnswer(status, self.lookup.defaults, reason)
        named = {name: found[name] for name in self.lookup.variables if name in found}
        return LookupAnswer(status, {**self.lookup.defaults, **named}, reason)

    def kept(self, entry: CachedAnswer) -> CachedAnswer:
        """`entry` as the cache file gave it, with its values made as safe as Domino's are, whoever wrote them."""
        if entry.fields is None:
            return entry
        fields = {
            name: text for name in self.lookup.variables if (text := safe(entry.fields.get(name, ""), _longest(name)))
        }
        return CachedAnswer(fields, entry.stored)

    def warm_up(self) -> None:
        """Imports now what the first key would import."""
        if self._number is not None:
            telephone.canonical("+14155551212", self._number.region)
            telephone.spellings("4155551212", self._number.region, self._number.spellings)

    def _spellings(self, given: str) -> tuple[str, ...]:
        if self._number is None:
            return (given.strip(),)
        return telephone.spellings(given, self._number.region, self._number.spellings)

    def _picked(self, row: DominoRow) -> dict[str, str]:
        """The values for the channel; a field that is missing or empty gives none."""
        picked = {}
        for variable, name in self.lookup.variables.items():
            text = safe(_JOINED.join(row.columns.get(name, ())), _longest(variable))
            if text:
                picked[variable] = text
        if not picked and not self._complained:
            self._complained = True
            log.warning(
                "lookup.%s.variables: none of the fields named there came with an answer, which has: %s",
                self.name,
                printable(", ".join(row.columns)) or "no fields at all",
            )
        return picked


def _longest(variable: str) -> int:
    return NAME_LONGEST if variable.upper().startswith("CALLERID(") else LONGEST


def _field(place: str, environment: Environment, arguments: tuple[str, ...]) -> str:
    if place.startswith("arg"):
        position = int(place[3:]) - 1
        return arguments[position].strip() if position < len(arguments) else ""
    attribute = {"callerid": "caller_number", "calleridname": "caller_name"}.get(place, place)
    return (getattr(environment, attribute) or "").strip()
