"""A timeline that a person can follow while it happens: seconds, who, what, and what proved it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

_INDENT = " " * 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of it.

    Attributes:
        at: seconds since the timeline's zero.
        who: the machine.
        what: what was done.
        proof: what was seen from outside.
    """

    at: float
    who: str
    what: str
    proof: str


class Timeline:
    """Prints entries as they happen, and keeps them."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.entries: list[Entry] = []
        self._console = console
        self._clock = clock
        self._zero = clock()

    def chapter(self, title: str) -> None:
        """A heading; the time goes on."""
        self._console.print()
        self._console.print(Text(title, style="bold"))

    def restart(self) -> None:
        """Now is zero."""
        self._zero = self._clock()

    def now(self) -> float:
        """Seconds since zero."""
        return self._clock() - self._zero

    def tell(self, who: str, what: str, proof: str = "") -> None:
        """An entry, at this moment."""
        entry = Entry(self.now(), who, what, proof)
        self.entries.append(entry)
        line = Text(f"{entry.at:8.1f} s  {who:<8} ")
        line.append(what, style="red" if proof.startswith("!") else "")
        self._console.print(line)
        for part in filter(None, proof.lstrip("!").split("\n")):
            self._console.print(Text(f"{_INDENT}{part.strip()}", style="dim"))

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:
        """Shows that something goes on, where a terminal can."""
        if self._console.is_terminal:
            with self._console.status(words):
                yield
        else:
            yield
