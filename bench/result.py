"""What one benchmark found, and how it is printed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from host.terminal import console


class NotHere(Exception):
    """A benchmark cannot run on this machine; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison.

    Attributes:
        name: of the benchmark.
        what: what was measured, in a few words.
        against: what `theirs` is, in a few words.
        unit: of each run, such as "s" or "events/s".
        ours, theirs: one number for each run, in the order in which they alternated; `theirs` may be a fixed target.
        target: what was promised, in words.
        more: other numbers worth keeping, by name.
    """

    name: str
    what: str
    against: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    target: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Median of ours over median of theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "name": self.name,
            "what": self.what,
            "against": self.against,
            "ours": statistics.median(self.ours),
            "theirs": statistics.median(self.theirs),
            "unit": self.unit,
            "ratio": self.ratio,
            "target": self.target,
            "runs": {"ours": list(self.ours), "theirs": list(self.theirs)},
            **self.more,
        }


def show(result: Result, *, as_json: bool) -> None:
    """Prints one result: a table for people, or one JSON object."""
    if as_json:
        print(json.dumps(result.as_dict(), indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "median", "lowest", "highest", "runs"):
        table.add_column(column, justify="left" if not column else "right")
    for label, runs in (("ours", result.ours), (result.against, result.theirs)):
        numbers = [statistics.median(runs), min(runs), max(runs)]
        table.add_row(label, *(f"{number:.4g} {result.unit}" for number in numbers), str(len(runs)))
    out = console()
    out.print(f"{result.name}: {result.what}")
    out.print(table)
    for name, value in result.more.items():
        out.print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    out.print(f"ratio {result.ratio:.3f}{f' (target: {result.target})' if result.target else ''}")
