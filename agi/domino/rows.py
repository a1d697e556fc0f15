"""What Domino answers: rows with named columns, and when a column is the key that was asked for."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DominoRow:
    """One entry.

    Attributes:
        columns: values by programmatic column name. A column may have several values; an empty column of a view
            is left out by Domino, so a name that is missing and one without a value mean the same.
        document: it is a document, and neither a heading of a categorized view nor a row of totals.
        conflict: it is a replication conflict; the genuine document stands beside it.
    """

    columns: Mapping[str, tuple[str, ...]]
    document: bool = True
    conflict: bool = False

    def holds(self, column: str, key: str) -> bool:
        """Whether one value of `column` is `key`, as Domino compares keys."""
        return any(same_key(value, key) for value in self.columns.get(column, ()))


Rows = tuple[DominoRow, ...]
"""In Domino's order. None at all: there is nothing under that key."""


class LookupSource(Protocol):
    """One question that can be asked with any key."""

    def fetch(self, key: str, deadline: float) -> Rows:
        """What Domino has under `key`.

        Args:
            deadline: time.monotonic() seconds; covers finding the address, connecting, headers and the whole body.

        Raises:
            DominoError
        """


def same_key(one: str, other: str) -> bool:
    """Whether Domino's sorted columns take the two for the same whole key: case and accents do not count."""
    return _folded(one) == _folded(other)


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFD", text.strip().casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))
