"""Carries out steps: journal first, signals held back inside a step, neighbours side by side, proof last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failover.errors import Incomplete, Refused, StoppedHalfway
from failover.journal.entry import EntryKind, RunOutcome
from failover.journal.journal import Clock, Journal, JournalUnwritable, SystemClock
from failover.journal.mask import Mask
from failover.journal.run import Run, StepRecord, load
from failover.runner.progress import ProgressEvent, ProgressKind, ProgressListener, ignore_progress
from failover.runner.signals import HeldSignals, hold_signals
from failover.runner.step import OnFailure, PlannedStep, Step, turns
from host.errors import HotstandbyError
from host.exits import Exit
from host.hook import programs, run_parts

HOOK_DEADLINE_S: Final = 10.0
"""Seconds for each program of the admin's: callers wait meanwhile."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        exit: the command's exit code.
        words: the sentence for people, with what to type next.
        missing: steps that are not complete.
        seconds: since this command began with it.
    """

    exit: Exit
    words: str
    missing: tuple[str, ...]
    seconds: float


def no_objection() -> str:
    """A guard that never objects."""
    return ""


class Runner:
    """One journal, its steps, and one way through them.

    A run that is continued goes through its steps from the first: what is already so is seen by `check` and proven
    again by `verify`, so that nothing is believed because a journal says it.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        hooks: Path | None = None,
        tell: ProgressListener = ignore_progress,
        mask: Mask | None = None,
        clock: Clock | None = None,
        guard: Callable[[], str] = no_objection,
        parting: Callable[[], str] = no_objection,
    ) -> None:
        """
        Args:
            journal: opened, with its first line written.
            hooks: directory that holds before-STEP and after-STEP directories.
            tell: shows progress.
            mask: hides secrets in what is told.
            guard: asked before each step; a sentence stops the run (this machine was fenced, the lease is lost).
            parting: asked at the end: who serves now, and what to type where.
        """
        self._journal = journal
        self._hooks = hooks
        self._shown = tell
        self._telling = threading.Lock()
        self._mask = mask or Mask()
        self._clock = clock or SystemClock()
        self._guard = guard
        self._parting = parting
        self._started = self._clock.boottime()

    def carry_out(self, planned: Sequence[PlannedStep]) -> RunResult:
        """Does the steps in order, neighbours that may be side by side so, and takes them back where their failure
        means that.

        A JournalUnwritable stops the run before the step that could not be announced.

        Raises:
            JournalDamaged: the journal was altered while it ran.
        """
        told = self._load()
        missing: list[str] = []
        unfinished: Incomplete | None = None
        with hold_signals() as signals:
            for position, group in turns(planned):
                stop = f"{signals.came} came" if signals.came else self._guard()
                if stop:
                    return self._halfway(stop, [item.step.name for item in planned[position - 1 :]])
                failures = self._side_by_side(group, told, position, len(planned))
                failed_here = [entry.step.name for entry, failed in zip(group, failures, strict=True) if failed]
                left = [*missing, *failed_here, *(item.step.name for item in planned[position - 1 + len(group) :])]
                for entry, failed in zip(group, failures, strict=True):
                    if failed is None:
                        continue
                    if isinstance(failed, JournalUnwritable):
                        return self._halfway(str(failed), left)
                    if isinstance(failed, Incomplete) or entry.on_failure is OnFailure.GO_ON:
                        if isinstance(failed, Incomplete) and failed.exit_code is Exit.HALFWAY:
                            unfinished = unfinished or failed
                        continue
                    if entry.on_failure is OnFailure.STOP or isinstance(failed, StoppedHalfway):
                        return self._halfway(str(failed), left)
                    code = Exit.REFUSED if isinstance(failed, Refused) else Exit.FAILED
                    return self._take_back(planned, f"{entry.step.name}: {failed}", signals, code)
                missing += failed_here
            if unfinished is not None:
                return self._halfway(str(unfinished), missing, unfinished.headline)
            return self._close(missing)

    def take_back(self, planned: Sequence[PlannedStep], why: str) -> RunResult:
        """Undoes every step that the journal says was begun, the last one first.

        One undo that fails does not keep the others from theirs: a carrier that is down must not leave this machine
        registered. The journal is not waited for: going back is always safe.

        Args:
            planned: at least the steps that the journal knows.
        """
        with hold_signals() as signals:
            return self._take_back(planned, why, signals)

    def _side_by_side(
        self, group: Sequence[PlannedStep], told: Run | None, position: int, total: int
    ) -> list[Exception | None]:
        """How each of them failed; all of them have ended when this returns."""

        def work(place: int) -> Exception | None:
            step = group[place].step
            try:
                return self._step(step, told.step(step.name) if told else None, position + place, total)
            except JournalUnwritable as error:
                return error

        if len(group) == 1:
            return [work(0)]
        with ThreadPoolExecutor(len(group), thread_name_prefix="step") as pool:
            return list(pool.map(work, range(len(group))))

    def _step(self, step: Step, before: StepRecord | None, position: int, total: int) -> Exception | None:
        began = self._clock.boottime()

        def say(what: ProgressKind, words: str) -> None:
            self._tell(
                ProgressEvent(what, step.name, self._mask(words), self._clock.boottime() - began, position, total)
            )

        say(ProgressKind.BEGAN, "")
        failed: Exception | None = None
        try:
            if step.check():
                if self._hooks is not None and programs(self._hooks / f"before-{step.name}"):
                    self._journal.append(EntryKind.HOOK, step.name, "the programs before it run; it is already so")
                self._run_hooks("before", step.name, say)
                proof = f"already so: {step.verify()}"
            else:
                saved = before.saved if before and before.touched else step.saved()
                self._journal.append(EntryKind.BEGUN, step.name, data=saved)
                self._run_hooks("before", step.name, say)
                step.apply()
                self._journal.append(EntryKind.DONE, step.name)
                proof = step.verify()
            took = self._clock.boottime() - began
            if took > step.deadline_s:
                proof = f"{proof} (late: {took:.1f} s, {step.deadline_s:g} s were planned)"
            self._journal.append(EntryKind.VERIFIED, step.name, proof)
            say(ProgressKind.VERIFIED, proof)
        except JournalUnwritable:
            raise
        except Incomplete as error:
            failed = error
            self._journal.append(EntryKind.OPEN, step.name, str(error))
            say(ProgressKind.OPEN, str(error))
        except Exception as error:
            failed = error
            words = _words(error)
            self._journal.append(EntryKind.FAILED, step.name, words)
            say(ProgressKind.FAILED, words)
        self._run_hooks("after", step.name, say, result=type(failed).__name__ if failed else "verified")
        return failed

    def _take_back(
        self, planned: Sequence[PlannedStep], why: str, signals: HeldSignals, code: Exit = Exit.FAILED
    ) -> RunResult:
        steps = {item.step.name: item.step for item in planned}
        run = self._load()
        left: list[str] = []
        touched = run.touched if run else ()
        for position, told in enumerate(touched, start=1):
            if not self._undo(steps.get(told.name), told, position, len(touched)):
                left.append(told.name)
        if left:
            return self._halfway(f"{why}; not taken back: {', '.join(left)}", left)
        words = f"Taken back, this machine is as before: {why}"
        if signals.came:
            words += f" ({signals.came} waited for that)"
        if code is Exit.FAILED:
            words += f". Begin anew with: failover {self._journal.file.command}"
        if parting := self._parting():
            # Whether anybody answers now is what whoever reads this has to know first.
            words = f"{parting}. {words}"
        self._end_run(RunOutcome.UNDONE, why)
        return self._ended(code, words, ())

    def _undo(self, step: Step | None, told: StepRecord, position: int, total: int) -> bool:
        began = self._clock.boottime()

        def say(what: ProgressKind, words: str) -> None:
            self._tell(
                ProgressEvent(what, told.name, self._mask(words), self._clock.boottime() - began, position, total)
            )

        self._note(EntryKind.UNDOING, told.name, "")
        say(ProgressKind.UNDOING, "")
        try:
            if step is None:
                raise HotstandbyError(f"this version knows no step '{told.name}'; take back by hand what it did")
            seen = step.undo(told.saved)
        except Exception as error:
            words = f"not taken back: {_words(error)}"
            self._note(EntryKind.FAILED, told.name, words)
            say(ProgressKind.FAILED, words)
            return False
        self._note(EntryKind.UNDONE, told.name, seen)
        say(ProgressKind.UNDONE, seen)
        return True

    def _run_hooks(self, when: str, step: str, say: Callable[[ProgressKind, str], None], result: str = "") -> None:
        if self._hooks is None:
            return
        env: Mapping[str, str] = {
            "HOTSTANDBY_STEP": step,
            "HOTSTANDBY_WHEN": when,
            "HOTSTANDBY_RESULT": result,
            "HOTSTANDBY_COMMAND": self._journal.file.command,
            "HOTSTANDBY_MACHINE": self._journal.machine,
            "HOTSTANDBY_EPOCH": str(self._journal.epoch),
        }
        for ran in run_parts(self._hooks / f"{when}-{step}", env=env, deadline_s=HOOK_DEADLINE_S):
            if not ran.succeeded:
                # Told, and nothing more: a broken notification script must not keep the phones from being answered.
                words = f"{ran.path} failed, the run goes on: {ran.said}"
                self._journal.append(EntryKind.HOOK, step, words)
                say(ProgressKind.HOOK, words)

    def _close(self, missing: list[str]) -> RunResult:
        parting = self._parting()
        if missing:
            self._end_run(RunOutcome.DEGRADED, f"{', '.join(missing)} not complete")
            words = f"Done, but degraded: {', '.join(missing)} not complete. See what is missing with: failover history"
            return self._ended(Exit.DEGRADED, f"{words}. {parting}" if parting else words, tuple(missing))
        self._end_run(RunOutcome.DONE)
        return self._ended(Exit.DONE, f"Done, every step was proven. {parting or 'Nothing to do.'}", ())

    def _halfway(self, why: str, left: list[str], headline: str = "") -> RunResult:
        run = self._load()
        if run is None or not run.touched:
            self._end_run(RunOutcome.UNTOUCHED, why)
            return self._ended(Exit.FAILED, f"Stopped before anything was touched: {why}", tuple(left))
        words = (
            f"Stopped half-way: {why}. Not complete: {', '.join(left)}. Go on with the same command, "
            f"or take back what was done with: failover {self._journal.file.command} --abort"
        )
        return self._ended(Exit.HALFWAY, f"{headline}. {words}" if headline else words, tuple(left))

    def _ended(self, code: Exit, words: str, missing: tuple[str, ...]) -> RunResult:
        ended = RunResult(code, self._mask(words), missing, self._clock.boottime() - self._started)
        self._tell(ProgressEvent(ProgressKind.ENDED, "", ended.words, ended.seconds))
        return ended

    def _note(self, kind: EntryKind, step: str, words: str) -> None:
        """A line that nothing waits for: what it tells is true without it, and is found again by looking."""
        try:
            self._journal.append(kind, step, words)
        except JournalUnwritable as error:
            self._tell(ProgressEvent(ProgressKind.HOOK, step, self._mask(str(error)), 0.0))

    def _end_run(self, outcome: RunOutcome, why: str = "") -> None:
        self._note(EntryKind.CLOSED, "", outcome.sentence(why))

    def _tell(self, event: ProgressEvent) -> None:
        """One at a time: what shows events need not be made for several."""
        with self._telling:
            self._shown(event)

    def _load(self) -> Run | None:
        return load(self._journal.file)


def _words(error: Exception) -> str:
    if isinstance(error, HotstandbyError):
        return str(error)
    return f"a defect in hotstandby, please report it: {type(error).__name__}: {error}"
