"""A promotion before it is begun, as a value: what was seen, what would be done, and what speaks against it.

Making a plan changes nothing, and carrying one out decides nothing. Its digest ties what a person reviewed to what
is carried out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from failover.checks.views import Risk
from failover.errors import Refused
from failover.probe_result import ProbeResult


@dataclass(frozen=True, slots=True)
class StepPreview:
    """One step, for people.

    Attributes:
        name: of the step.
        changes: what it makes so.
        proof: what will be looked at from outside.
        expected_s: seconds that it took last time, or usually takes.
    """

    name: str
    changes: str
    proof: str
    expected_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done.

    Attributes:
        command: promote or switchover.
        machine, peer: who becomes primary, who no longer is.
        epoch: number of the promotion.
        pair_digest: of the pair.toml that it was made from.
        steps: in order.
        risks: what speaks against it.
        evidence: what was seen, the peer first.
    """

    command: str
    machine: str
    peer: str
    epoch: int
    pair_digest: str
    steps: tuple[StepPreview, ...]
    risks: tuple[Risk, ...]
    evidence: tuple[ProbeResult, ...]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits over everything that decides what happens, and over nothing that merely varies:
        seconds and the words of evidence are left out."""
        decides = [
            self.command,
            self.machine,
            self.peer,
            self.epoch,
            self.pair_digest,
            [[step.name, step.changes] for step in self.steps],
            sorted(risk.name for risk in self.risks),
        ]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]

    def raise_if_unsafe(self, *, force: str = "") -> None:
        """Refuses unless nothing speaks against it.

        Args:
            force: a person's reason for taking the risks that can be taken; empty for none.

        Raises:
            Refused: with every risk that stands, and what to type.
        """
        standing = [risk for risk in self.risks if not (force and risk.can_be_forced)]
        if not standing:
            return
        lines = [risk.words for risk in standing]
        if any(risk.can_be_forced for risk in standing):
            names = ", ".join(risk.name for risk in standing if risk.can_be_forced)
            lines.append(f'Take it on yourself ({names}) with: failover {self.command} --force "REASON"')
        raise Refused("\n".join(lines))

    def raise_unless_reviewed(self, digest: str) -> None:
        """Refuses when this is not the plan that was reviewed.

        Raises:
            Refused
        """
        if digest != self.digest:
            raise Refused(
                f"The plan is another one than {digest}: it is {self.digest} now. "
                f"Look at what has changed with: failover plan {self.command}"
            )

    def document(self) -> dict[str, Any]:
        """As JSON tells it."""
        evidence = [
            {"probe": one.probe, "subject": one.subject, "answer": one.answer.value, "words": one.words}
            for one in self.evidence
        ]
        return {"digest": self.digest, **asdict(self), "evidence": evidence}
