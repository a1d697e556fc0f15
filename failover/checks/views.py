"""The views of what the checks found: `failover ready`, `failover check`, a plan's refusals, a step of a rehearsal.

Each selects and words; none decides anew. So what refuses a plan is a blocker in every other view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from failover.checks.check import CheckResult, FindingLevel, Lifted
from host.exits import Exit

READY_WORDS: Final[Mapping[FindingLevel, str]] = {
    FindingLevel.GOOD: "ready",
    FindingLevel.WARNING: "degraded",
    FindingLevel.ERROR: "degraded",
    FindingLevel.UNSEEN: "unknown",
    FindingLevel.BLOCKER: "missing",
}
"""What `failover ready --json` calls them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of `failover ready`.

    Attributes:
        name: one or two words.
        level: whether it stands in the way.
        words: what was seen.
        age_s: seconds since it was seen to be so; 0 for now.
        mend: what to type where it is not good.
    """

    name: str
    level: FindingLevel
    words: str
    age_s: float
    mend: str


def ready_items(results: Iterable[CheckResult]) -> tuple[Item, ...]:
    """Every finding, the good ones too, in the order in which a promotion would need it."""
    return tuple(Item(one.item, one.level, one.finding.text, one.finding.age_s, one.finding.mend) for one in results)


def ready_exit(results: Iterable[CheckResult]) -> Exit:
    """0 ready; 5 it would end degraded or need a person, or something is not known; 1 not ready."""
    worst = min((one.level for one in results), default=FindingLevel.GOOD)
    if worst is FindingLevel.BLOCKER:
        return Exit.FAILED
    return Exit.DONE if worst is FindingLevel.GOOD else Exit.DEGRADED


def to_mend(results: Iterable[CheckResult]) -> list[CheckResult]:
    """What is not good, the gravest first."""
    return sorted((one for one in results if one.level is not FindingLevel.GOOD), key=lambda one: one.level)


def check_exit(results: Iterable[CheckResult]) -> Exit:
    """By the gravest; what cannot be seen from here counts for nothing."""
    worst = min((one.level for one in results), default=FindingLevel.GOOD)
    if worst <= FindingLevel.ERROR:
        return Exit.FAILED
    return Exit.DEGRADED if worst is FindingLevel.WARNING else Exit.DONE


@dataclass(frozen=True, slots=True)
class Risk:
    """Something that speaks against a promotion.

    Attributes:
        name: one word or two with a hyphen, for the journal.
        words: what was seen, what may follow, and what to type: one or more lines.
        can_be_forced: whether a person may take it on themselves with --force REASON.
    """

    name: str
    words: str
    can_be_forced: bool = True


def risks(results: Iterable[CheckResult]) -> tuple[Risk, ...]:
    """What refuses a promotion."""
    found = []
    for one in results:
        refusal = one.finding.refusal
        if refusal is not None:
            words = refusal.words or f"{one.finding.text} {one.finding.mend}".strip()
            found.append(Risk(refusal.name, words, refusal.lifted is Lifted.BY_FORCE))
    return tuple(found)


def of_step(results: Iterable[CheckResult], step: str) -> list[CheckResult]:
    """What a step of a promotion would fail by, or lack; nothing where all of it is good."""
    return to_mend(one for one in results if one.check.step == step)
