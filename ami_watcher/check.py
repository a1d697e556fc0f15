"""What a monitoring system is told: one line, an exit code, and numbers to chart.

Rules only. Exit codes, words and the form of the numbers are those of the Monitoring Plugins' guidelines.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ami_watcher.event import LinkState
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web.documents import ContactsDocument, Level, RegistrationsDocument


class PluginStatus(IntEnum):
    """Exit code of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


LEVELS: Final = {
    Level.GOOD: PluginStatus.OK,
    Level.WARNING: PluginStatus.WARNING,
    Level.BAD: PluginStatus.CRITICAL,
    Level.UNKNOWN: PluginStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class PluginResult:
    """What the plugin prints, and ends with."""

    status: PluginStatus
    sentence: str
    numbers: str = ""

    @property
    def line(self) -> str:
        """The one line: a "|" in the sentence would begin the numbers, so there is none."""
        words = self.sentence.replace("|", "/").replace("\n", " ")
        return f"AMI-WATCHER {self.status.name} - {words}" + (f" | {self.numbers}" if self.numbers else "")


def judged(
    registrations: RegistrationsDocument, contacts: ContactsDocument, *, missing_warning: int | None = None
) -> PluginResult:
    """How things are.

    A link that is lost is critical: Asterisk does not answer. One that is refused, or not made yet, says nothing about
    Asterisk, and is unknown. A trunk that does not hold is critical where pair.toml requires it, where no other holds,
    or where it holds and must not; else a warning. Before all of it, a machine that was overtaken is critical; and
    a standby whose other machine nobody looked at is unknown.

    Args:
        registrations: what the daemon says.
        contacts: likewise.
        missing_warning: so many phones that have not come back are a warning; None: no number is.
    """
    numbers = _numbers(registrations, contacts, missing_warning)
    sentence = f"{registrations.machine}: {registrations.sentence} {registrations.detail or ''}".rstrip()
    if registrations.overtaken:
        return PluginResult(PluginStatus.CRITICAL, sentence, numbers)
    if registrations.link.state is not LinkState.SYNCED:
        lost = registrations.link.state is LinkState.LOST
        return PluginResult(PluginStatus.CRITICAL if lost else PluginStatus.UNKNOWN, sentence, numbers)
    status = LEVELS[registrations.level]
    if status is PluginStatus.OK and missing_warning is not None and len(contacts.missing) >= missing_warning:
        return PluginResult(PluginStatus.WARNING, f"{sentence} {contacts.other_sentence}", numbers)
    return PluginResult(status, sentence, numbers)


def _numbers(registrations: RegistrationsDocument, contacts: ContactsDocument, missing_warning: int | None) -> str:
    own = [row for row in registrations.registrations if row.held_here]
    holds = sum(row.state == RegistrationState.REGISTERED for row in own)
    proofs = [row.proof for row in own if row.proof is not None]
    age = max((registrations.at - proof for proof in proofs), default=0.0)
    warning = missing_warning if missing_warning is not None else ""
    return " ".join(
        (
            f"registered={holds};;;0;{len(own)}",
            f"unexpected={sum(row.state == RegistrationState.UNEXPECTED for row in registrations.registrations)};;0;0",
            f"proof_age={max(0.0, age):.1f}s;;;0",
            f"contacts={contacts.total};;;0",
            f"missing={len(contacts.missing)};{warning};;0",
        )
    )
