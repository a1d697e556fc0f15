"""What a monitoring system is told: one line, an exit code, and numbers to chart.

Rules only. Exit codes, words and the form of the numbers are those of the Monitoring Plugins' guidelines.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ami_watcher.web.documents import Contacts, Registrations


class Verdict(IntEnum):
    """Exit code of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What the plugin prints, and ends with."""

    verdict: Verdict
    sentence: str
    numbers: str = ""

    @property
    def line(self) -> str:
        """The one line: a "|" in the sentence would begin the numbers, so there is none."""
        words = self.sentence.replace("|", "/").replace("\n", " ")
        return f"AMI-WATCHER {self.verdict.name} - {words}" + (f" | {self.numbers}" if self.numbers else "")


def judged(registrations: Registrations, contacts: Contacts, *, missing_warning: int | None = None) -> Result:
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
        return Result(Verdict.CRITICAL, sentence, numbers)
    if registrations.link.state != "synced":
        lost = registrations.link.state == "lost"
        return Result(Verdict.CRITICAL if lost else Verdict.UNKNOWN, sentence, numbers)
    verdict = {
        "good": Verdict.OK,
        "warning": Verdict.WARNING,
        "bad": Verdict.CRITICAL,
        "unknown": Verdict.UNKNOWN,
    }[registrations.level]
    if verdict is Verdict.OK and missing_warning is not None and len(contacts.missing) >= missing_warning:
        return Result(Verdict.WARNING, f"{sentence} {contacts.other_sentence}", numbers)
    return Result(verdict, sentence, numbers)


def _numbers(registrations: Registrations, contacts: Contacts, missing_warning: int | None) -> str:
    own = [row for row in registrations.registrations if row.state not in ("standby", "unexpected")]
    holds = sum(row.state == "registered" for row in own)
    proofs = [row.proof for row in own if row.proof is not None]
    age = max((registrations.at - proof for proof in proofs), default=0.0)
    warning = missing_warning if missing_warning is not None else ""
    return " ".join(
        (
            f"registered={holds};;;0;{len(own)}",
            f"unexpected={sum(row.state == 'unexpected' for row in registrations.registrations)};;0;0",
            f"proof_age={max(0.0, age):.1f}s;;;0",
            f"contacts={contacts.total};;;0",
            f"missing={len(contacts.missing)};{warning};;0",
        )
    )
