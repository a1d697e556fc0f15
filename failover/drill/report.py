"""What a drill leaves behind: its report as a value, as JSON, as Markdown, and beside the drills before it. No I/O."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from failover.drill.leg import Leg, Took
from failover.overview.next_step import next_step
from failover.overview.overview import Overview, missing_trunks
from host.durations import lasting
from host.exits import Exit
from host.file_reading import MISREAD
from host.printable import printable

COMPARED: Final = 5
"""Earlier drills that the medians are made of."""
SLOWER: Final = 1.5
"""How many times its median a step takes before it is called slower."""
SLOWER_S: Final = 1.0
"""Seconds above its median, at least: a step of 0.1 s that takes 0.2 s tells nobody anything."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """One drill.

    Attributes:
        number: counts up on the machine that it was typed on.
        began: UTC, ISO 8601.
        pair, pair_digest: whose, and from which pair.toml.
        home: who was primary before it, and shall be after.
        away: the other machine.
        legs: to `away`, and back; the second is missing where the first failed.
        stayed_s: seconds that the service was left at `away`.
        notes: what was seen besides, one sentence each.
        exit: of the command.
        alarm: what is off the air now that it is over; empty where nothing is known to be.
        mend: the one command for that, with the machine that it is typed on.
    """

    number: int
    began: str
    pair: str
    pair_digest: str
    home: str
    away: str
    legs: tuple[Leg, ...]
    stayed_s: float
    notes: tuple[str, ...]
    exit: Exit
    alarm: str = ""
    mend: str = ""

    @property
    def seconds(self) -> float:
        """Both ways together, without the stay."""
        return sum(leg.seconds for leg in self.legs)

    @property
    def serves(self) -> str:
        """Who is primary now, as far as the drill knows."""
        return next((leg.machine for leg in reversed(self.legs) if leg.moved), self.home)

    @property
    def sentence(self) -> str:
        """How it ended."""
        if len(self.legs) == 2 and self.legs[1].moved:
            rest = "" if self.exit is Exit.DONE else f", degraded: {', '.join(missing(self.legs)) or 'see the report'}"
            moved = " and ".join(f"{leg.moved_s:.1f} s" for leg in self.legs)
            return f"{self.home} to {self.away} and back; the calls moved in {moved}{rest}"
        if self.legs and self.legs[0].moved:
            why = self.legs[1].words if len(self.legs) > 1 else "nobody asked it to come back"
            return f"{self.away} took over, and {self.home} did not take back: {why}"
        why = self.legs[0].words if self.legs else "it was not begun"
        return f"{self.away} did not take over: {why}"

    @property
    def next(self) -> str:
        """What to type next."""
        if self.mend:
            return self.mend
        if self.serves != self.home:
            return f"on {self.home}: failover switchover"
        if self.exit is Exit.DONE:
            return "nothing to do"
        if self.exit is Exit.DEGRADED:
            return "see what is missing, above; then: failover drill"
        return "failover status, then: failover history"


def aftermath(found: Overview, home: str, away: str, *, away_served: bool) -> tuple[str, str]:
    """What is off the air when a drill did not end as it should, and the one command; empty where nothing is.

    Args:
        found: both machines and the zone, looked at afterwards.
        home: who was primary before it.
        away: the other one.
        away_served: it had taken over, and home could not take back: then it is the one that can.
    """
    if not found.primaries:
        asked = [side.asked.words for side in found.machines if side.status is None]
        who = away if away_served else home
        words = "NOBODY SERVES" if not asked else f"NOBODY IS KNOWN TO SERVE ({'; '.join(asked)})"
        return f"{words}: no number of {found.pair.name} can be reached.", f"on {who}, type: failover promote"
    off = missing_trunks(found)
    if not off:
        return "", ""
    words = f"OFF THE AIR: {', '.join(off)}; no machine has registered what belongs to {found.primaries[0]}."
    if found.primaries == (away,):
        return words, f"on {home}, type: failover switchover"
    return words, next_step(found, "")


def missing(legs: Sequence[Leg]) -> list[str]:
    """Steps that were not complete, each once."""
    return list(dict.fromkeys(one.step for leg in legs for one in leg.steps if one.progress != "verified"))


@dataclass(frozen=True, slots=True)
class Usual:
    """What a step took in earlier drills.

    Attributes:
        median_s: seconds.
        drills: how many it is made of.
    """

    median_s: float
    drills: int


def usual(earlier: Sequence[Document]) -> dict[tuple[str, str], Usual]:
    """(machine that took over, step) -> what it took in the last few drills; the key's step is empty for the total.

    Args:
        earlier: documents of drills, oldest first; those that cannot be understood are passed over.
    """
    seen: dict[tuple[str, str], list[float]] = {}
    for document in list(earlier)[-COMPARED:]:
        with contextlib.suppress(*MISREAD):
            for key, seconds in _times(document):
                seen.setdefault(key, []).append(seconds)
    return {key: Usual(statistics.median(values), len(values)) for key, values in seen.items()}


def _times(document: Document) -> list[tuple[tuple[str, str], float]]:
    found = []
    for leg in document["legs"]:
        machine = str(leg["machine"])
        found.append(((machine, ""), float(leg["seconds"])))
        found += [((machine, str(one["step"])), float(one["seconds"])) for one in leg["steps"]]
    if not all(math.isfinite(seconds) for _, seconds in found):
        raise ValueError("seconds without an end")
    return found


def is_slower(seconds: float, before: Usual | None) -> bool:
    """Whether that is worth a person's look."""
    return before is not None and seconds > SLOWER * before.median_s and seconds - before.median_s > SLOWER_S


def document(report: Report, before: Mapping[tuple[str, str], Usual]) -> dict[str, Any]:
    """The report as JSON tells it."""
    return {
        "format": 1,
        "number": report.number,
        "began": report.began,
        "pair": report.pair,
        "pair_digest": report.pair_digest,
        "home": report.home,
        "away": report.away,
        "serves": report.serves,
        "exit": int(report.exit),
        "alarm": report.alarm,
        "sentence": report.sentence,
        "seconds": round(report.seconds, 3),
        "stayed_s": round(report.stayed_s, 3),
        "notes": list(report.notes),
        "legs": [_leg(leg, before) for leg in report.legs],
        "next": report.next,
    }


def _leg(leg: Leg, before: Mapping[tuple[str, str], Usual]) -> dict[str, Any]:
    return {
        "machine": leg.machine,
        "exit": int(leg.exit),
        "words": leg.words,
        "run": leg.run,
        "epoch": leg.epoch,
        "seconds": round(leg.seconds, 3),
        "moved_s": leg.moved_s,
        "usual_s": _median(before.get((leg.machine, ""))),
        "steps": [
            {
                **asdict(one),
                "usual_s": _median(usually := before.get((leg.machine, one.step))),
                "slower": is_slower(one.seconds, usually),
            }
            for one in leg.steps
        ],
    }


def markdown(report: Report, before: Mapping[tuple[str, str], Usual]) -> str:
    """The report for people."""
    drills = max((one.drills for one in before.values()), default=0)
    compared = f"compared with the {drills} before it" if drills else "the first one, nothing to compare with"
    lines = [
        f"# Drill {report.number} of {report.pair}",
        "",
        *([f"**{_cell(report.alarm)}** {_cell(report.mend)}", ""] if report.alarm else []),
        f"{report.began}, from {report.home} to {report.away} and back, {compared}.",
        "",
        f"**{_cell(report.sentence)}.**",
        "",
        f"Next: {_cell(report.next)}",
    ]
    for leg in report.legs:
        lines += ["", f"## {leg.machine} takes over", "", f"Run {leg.run}, epoch {leg.epoch}: {_cell(leg.words)}", ""]
        lines += ["| step | seconds | usually | result | seen |", "|---|---|---|---|---|"]
        lines += [_row(one, before.get((leg.machine, one.step))) for one in leg.steps]
        usually = before.get((leg.machine, ""))
        lines.append(f"| total | {leg.seconds:.1f} | {_usually(usually)} | | the calls moved in {leg.moved_s:.1f} s |")
    if report.stayed_s >= 1:
        lines += ["", f"{report.away} served for {lasting(report.stayed_s)} in between."]
    if report.notes:
        lines += ["", "## Seen besides", "", *(f"- {_cell(note)}" for note in report.notes)]
    return "\n".join([*lines, ""])


def _row(one: Took, before: Usual | None) -> str:
    slow = " **slower**" if is_slower(one.seconds, before) else ""
    return f"| {one.step} | {one.seconds:.1f}{slow} | {_usually(before)} | {one.progress} | {_cell(one.words)} |"


def _usually(before: Usual | None) -> str:
    return f"{before.median_s:.1f}" if before is not None else ""


def _median(before: Usual | None) -> float | None:
    return round(before.median_s, 3) if before is not None else None


def _cell(text: str) -> str:
    return printable(text, 600).replace("|", "\\|")
