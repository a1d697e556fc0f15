"""The newest run of this machine's journals: whether it is open, what it left waiting, whether it ended degraded."""

from __future__ import annotations

from failover.context import Context
from failover.errors import FailoverError
from failover.facts.facts import OpenRun
from failover.journal import journal
from failover.journal.run import Run, load, runs_newest_first
from host.errors import HotstandbyError


def newest_run(context: Context) -> Run | None:
    """The newest run that was more than an empty file.

    Raises:
        JournalDamaged
    """
    return next((run for _, run in runs_newest_first(journal.directory(context.places))), None)


def open_run(context: Context) -> OpenRun | None:
    """The newest run, where it is not complete. Never raises for a damaged journal."""
    try:
        files = journal.files(journal.directory(context.places))
    except OSError:
        return None
    for file in reversed(files):
        try:
            run = load(file)
        except FailoverError:
            return OpenRun(file.command, file.number, damaged=True)
        if run is not None:
            return None if run.closed else OpenRun(run.command, run.number, touched=bool(run.touched))
    return None


def waiting(context: Context) -> dict[str, str]:
    """Step -> what it waits for, of the newest run; for whoever reminds people. Never raises for a damaged journal."""
    try:
        run = newest_run(context)
    except HotstandbyError:
        return {}
    return {step.name: step.words for step in run.waiting} if run is not None else {}
