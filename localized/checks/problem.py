"""What is wrong with this machine's configuration, and what that stops."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """What a problem stops."""

    BLOCKER = "stops"
    """Asterisk would not read what is activated; so nothing is activated, and --check fails."""
    ERROR = "error"
    """It must be mended, and --check fails. At three in the morning it stops nothing: Asterisk's lists show what it
    comes to."""
    WARNING = "warning"
    """Worth mending."""

    @property
    def word(self) -> str:
        """What stands before such a problem."""
        return "warning" if self is Severity.WARNING else "error"


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something that is wrong with this machine's configuration, and what to type."""

    severity: Severity
    text: str

    def __str__(self) -> str:
        return self.text
