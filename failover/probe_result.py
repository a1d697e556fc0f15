"""What a probe returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ProbeAnswer(Enum):
    """What came back."""

    YES = "yes"
    """It answered, and as it should."""
    ODD = "odd"
    """It answered, and not as it should: it is alive, and something is wrong."""
    REFUSED = "refused"
    """The machine answered that nobody is there: it is alive, its service is not."""
    SILENT = "silent"
    """Nothing came back by the deadline: it is dead, cut off, or hangs."""
    UNKNOWN = "unknown"
    """It could not be asked; that proves nothing about it."""

    @property
    def alive(self) -> bool:
        """Whether something was there to answer."""
        return self in {ProbeAnswer.YES, ProbeAnswer.ODD, ProbeAnswer.REFUSED}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One look at one thing.

    Attributes:
        probe: the kind of look: ping, ssh, sip, http, dns, asterisk, clock, calls.
        subject: the machine, or what else it is about.
        asked: what was asked, of which address.
        answer: what came back.
        words: the same in words that stand alone in a list: "boston answers ping".
        seconds: how long it took.
    """

    probe: str
    subject: str
    asked: str
    answer: ProbeAnswer
    words: str
    seconds: float
