"""One way of a drill: which machine took over, and how long each step took, as the journal tells it. Rules, no I/O
but `last_leg`."""

from __future__ import annotations

from dataclasses import dataclass

from failover.context import Context
from failover.journal import journal
from failover.journal.entry import EntryKind
from failover.journal.run import Run, load
from failover.peer.messages import SwitchoverReport
from host.exits import Exit

ENDS = frozenset({EntryKind.VERIFIED, EntryKind.OPEN, EntryKind.FAILED})


@dataclass(frozen=True, slots=True)
class Took:
    """One step.

    Attributes:
        step: its name.
        progress: verified, open or failed.
        seconds: from the end of the step before it to its own.
        words: the proof, or what is missing.
    """

    step: str
    progress: str
    seconds: float
    words: str


@dataclass(frozen=True, slots=True)
class Leg:
    """One switchover of a drill.

    Attributes:
        machine: who took over.
        exit: how it ended.
        words: the same for people.
        run, epoch: in that machine's history; 0 where nothing was begun.
        seconds: all of it, the look before it included.
        moved_s: from the moment the other machine was asked to let go until this one had registered: what callers may
            notice.
        steps: in order.
    """

    machine: str
    exit: Exit
    words: str
    run: int
    epoch: int
    seconds: float
    moved_s: float
    steps: tuple[Took, ...]

    @property
    def moved(self) -> bool:
        """Whether the machine serves now."""
        return self.exit in (Exit.DONE, Exit.DEGRADED)


def steps_of(run: Run) -> tuple[Took, ...]:
    """Each step with its duration, from the lines of its journal."""
    found: dict[str, Took] = {}
    begun: dict[str, float] = {}
    ended = [run.opened.boottime]
    for entry in run.entries:
        at = entry.stamp.boottime
        if entry.kind is EntryKind.BEGUN:
            begun[entry.step] = at
        elif entry.kind in ENDS and entry.step:
            # Of steps side by side none waited for the other: what counts is what had ended when this one began.
            before = max(one for one in ended if one <= begun.get(entry.step, at))
            found[entry.step] = Took(entry.step, entry.kind.value, round(max(0.0, at - before), 3), entry.words)
            ended.append(at)
    return tuple(found.values())


def moved_of(run: Run) -> float:
    """Seconds from the first look at the peer inside the run until the registrations were seen here."""
    ends = [one.stamp.boottime for one in run.entries if one.step == "localize" and one.kind in ENDS]
    return round(max(0.0, ends[-1] - run.opened.boottime), 3) if ends else 0.0


def last_leg(context: Context) -> Leg:
    """The newest run of this machine, as a leg; its `exit` and `seconds` are for the caller to fill in."""
    for file in reversed(journal.files(journal.directory(context.places))):
        run = load(file)
        if run is not None:
            took = max(0.0, run.last.boottime - run.opened.boottime)
            return Leg(
                context.machine, Exit.DONE, run.closing, run.number, run.epoch, took, moved_of(run), steps_of(run)
            )
    return Leg(context.machine, Exit.FAILED, "nothing was begun", 0, 0, 0.0, 0.0, ())


def told_by_peer(said: SwitchoverReport) -> Leg:
    """The peer's account of its own switchover."""
    steps = tuple(Took(one.step, one.progress, one.seconds, one.words) for one in said.steps)
    return Leg(said.machine, Exit(said.exit), said.words, said.run, said.epoch, said.seconds, said.moved_s, steps)
