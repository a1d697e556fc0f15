"""A person's word that a step which only they can do is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from failover.context import Context
from failover.errors import Refused
from failover.journal import journal
from failover.journal.entry import EntryKind
from failover.journal.run import Run, StepState
from failover.promotion.open_run import newest_run
from failover.state.claim import LOCK
from host.lock import Lock


def confirm_step(context: Context, name: str, words: str) -> str:
    """Notes a person's word that an open step is done.

    Returns: the sentence for them.

    Raises:
        Refused: no such step waits.
    """
    with Lock(context.places.run / LOCK, f"failover confirm on {context.machine}"):
        found = newest_run(context)
        waiting = _confirmable(found[1]) if found is not None else {}
        if found is None or name not in waiting:
            known = ", ".join(waiting) or "none"
            raise Refused(f"No step '{name}' waits for a person; waiting: {known}. See: failover history")
        file, run = found
        written = journal.reopen(file, machine=context.machine, epoch=run.epoch)
        user = words or f"confirmed at {datetime.now().astimezone():%H:%M:%S}"
        written.append(EntryKind.CONFIRMED, name, user)
        written.close()
        left = [step for step in waiting if step != name]
    rest = f"Still waiting: {', '.join(left)}." if left else "No other waits for a person."
    return f"{name} of run {run.number} is confirmed. {rest}"


def _confirmable(run: Run) -> Mapping[str, StepState]:
    """Steps whose work a person can do instead: the carriers'."""
    states: Sequence[StepState] = (StepState.OPEN, StepState.FAILED)
    return {
        step.name: step.progress for step in run.steps if step.progress in states and step.name.startswith("carrier-")
    }
