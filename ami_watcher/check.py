"""What a monitoring system is told: one line, an exit code, and numbers to chart.

Rules only. Exit codes, words and the form of the numbers are those of the Monitoring Plugins' guidelines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from ami_watcher.event import LinkState
from ami_watcher.level import Level
from ami_watcher.registrations.state_words import RegistrationState, is_held_here


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


@dataclass(frozen=True, slots=True)
class WatcherReport:
    """What of the daemon's documents decides.

    Attributes:
        machine: its name.
        sentence: how its registrations are, with what to know besides.
        overtaken: whether the other machine was promoted later.
        link: to Asterisk.
        level: of the registrations.
        own: registrations that this machine should hold.
        held: those of them that hold.
        unexpected: registrations that must not be.
        oldest_proof_s: since a list last showed the one that was shown longest ago, seconds.
        contacts: phones that are here.
        missing: phones that have not come back.
        other_sentence: how the other machine's phones are.
    """

    machine: str
    sentence: str
    overtaken: bool
    link: LinkState
    level: Level
    own: int
    held: int
    unexpected: int
    oldest_proof_s: float
    contacts: int
    missing: int
    other_sentence: str


def report_from(registrations: Mapping[str, Any], contacts: Mapping[str, Any]) -> WatcherReport:
    """Takes it from RegistrationsDocument and ContactsDocument as they come, as JSON.

    Without their models: a monitoring system starts this command every minute, and waits for it.

    Raises:
        what `host.file_reading.MISREAD` names: they are another version's.
    """
    rows = registrations["registrations"]
    own = [row for row in rows if is_held_here(row["state"])]
    proofs = [float(row["proof"]) for row in own if row["proof"] is not None]
    return WatcherReport(
        machine=str(registrations["machine"]),
        sentence=f"{registrations['sentence']} {registrations['detail'] or ''}".rstrip(),
        overtaken=bool(registrations["overtaken"]),
        link=LinkState(registrations["link"]["state"]),
        level=Level(registrations["level"]),
        own=len(own),
        held=sum(row["state"] == RegistrationState.REGISTERED for row in own),
        unexpected=sum(row["state"] == RegistrationState.UNEXPECTED for row in rows),
        oldest_proof_s=max((float(registrations["at"]) - proof for proof in proofs), default=0.0),
        contacts=int(contacts["total"]),
        missing=len(contacts["missing"]),
        other_sentence=str(contacts["other_sentence"]),
    )


def judged(report: WatcherReport, *, missing_warning: int | None = None) -> PluginResult:
    """How things are.

    A link that is lost is critical: Asterisk does not answer. One that is refused, or not made yet, says nothing about
    Asterisk, and is unknown. A trunk that does not hold is critical where pair.toml requires it, where no other holds,
    or where it holds and must not; else a warning. Before all of it, a machine that was overtaken is critical; and
    a standby whose other machine nobody looked at is unknown.

    Args:
        missing_warning: so many phones that have not come back are a warning; None: no number is.
    """
    numbers = _numbers(report, missing_warning)
    sentence = f"{report.machine}: {report.sentence}"
    if report.overtaken:
        return PluginResult(PluginStatus.CRITICAL, sentence, numbers)
    if report.link is not LinkState.SYNCED:
        lost = report.link is LinkState.LOST
        return PluginResult(PluginStatus.CRITICAL if lost else PluginStatus.UNKNOWN, sentence, numbers)
    status = LEVELS[report.level]
    if status is PluginStatus.OK and missing_warning is not None and report.missing >= missing_warning:
        return PluginResult(PluginStatus.WARNING, f"{sentence} {report.other_sentence}", numbers)
    return PluginResult(status, sentence, numbers)


def _numbers(report: WatcherReport, missing_warning: int | None) -> str:
    warning = missing_warning if missing_warning is not None else ""
    return " ".join(
        (
            f"registered={report.held};;;0;{report.own}",
            f"unexpected={report.unexpected};;0;0",
            f"proof_age={max(0.0, report.oldest_proof_s):.1f}s;;;0",
            f"contacts={report.contacts};;;0",
            f"missing={report.missing};{warning};;0",
        )
    )
