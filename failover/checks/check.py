"""A check as a value: what it asks of the facts, what it may find, and under which names it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from failover.facts.facts import Depth, Facts


class FindingLevel(IntEnum):
    """How grave a finding is; the lower the graver."""

    BLOCKER = 1
    """A promotion would be refused, would fail, or would leave without what pair.toml requires."""
    ERROR = 2
    """The set-up is wrong: a promotion would work, and need a person, lack something, or be less safe."""
    WARNING = 3
    """It would work, worse than it could."""
    UNSEEN = 4
    """It could not be looked at, which is never as good as good."""
    GOOD = 5
    """It was looked at, and is as it should be."""


class Lifted(Enum):
    """What lets a promotion go on that is refused."""

    BY_WORD = "by --peer-is-down"
    BY_FORCE = "by --force"
    BY_NOTHING = "by nothing"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A finding refuses a promotion.

    Attributes:
        name: one word or two with a hyphen, for --force and for the journal.
        lifted: what lets it go on all the same.
        words: what the plan says, where that is more than the finding's text and what to type.
    """

    name: str
    lifted: Lifted
    words: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        level: how grave. With a refusal it is BLOCKER; or ERROR, where a person's word lifts it.
        text: what is so, where, and why it matters.
        mend: what to write or type; empty for what is good.
        item: name in `failover ready`, where it is not that of the check: a trunk, a name server.
        age_s: seconds since it was seen to be so; 0 for now.
        refusal: of a promotion, where it refuses one.
    """

    level: FindingLevel
    text: str
    mend: str = ""
    item: str = ""
    age_s: float = 0.0
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that could keep a promotion from succeeding.

    Attributes:
        name: in `failover check`, for --json and for whoever silences it.
        find: a pure function of the facts.
        depth: how much has to be looked at for it. What is looked at for `ready` is shown there, and a plan that has
            looked at as much is refused by the same finding.
        item: name in `failover ready`; its own where that is empty.
        step: of a promotion, that would fail by it, in a rehearsal; empty where that is none alone.
    """

    name: str
    find: Callable[[Facts], Iterator[Finding]]
    depth: Depth
    item: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A finding, and the check that found it."""

    check: Check
    finding: Finding

    @property
    def level(self) -> FindingLevel:
        """How grave it is."""
        return self.finding.level

    @property
    def item(self) -> str:
        """Its name in `failover ready`."""
        return self.finding.item or self.check.item or self.check.name
