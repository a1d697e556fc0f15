"""A promotion of three files, in a process that a real SIGKILL ends at its nth journal line."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from failover.journal import journal
from failover.journal.entry import EntryKind, JournalEntry, Json
from failover.journal.journal import Journal
from failover.journal.recovery import FenceProof, RecoveryAction, RecoveryFacts, decide_recovery
from failover.journal.run import load
from failover.runner.runner import Runner
from failover.runner.step import OnFailure, PlannedStep
from host import clock
from host.atomic import replace_file


class Mortal(Journal):
    die_at = 0
    after = False
    written = 0

    def _append(self, kind: EntryKind, step: str, words: str, data: Mapping[str, Json]) -> JournalEntry:
        self.written += 1
        if self.written == self.die_at and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        entry = super()._append(kind, step, words, data)
        if self.written == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return entry


@dataclass
class Point:
    name: str
    where: Path
    deadline_s: float = 5.0

    def check(self) -> bool:
        return self.where.read_text() == "dallas"

    def saved(self) -> Mapping[str, Json]:
        return {"was": self.where.read_text()}

    def apply(self) -> None:
        replace_file(self.where, b"dallas")

    def verify(self) -> str:
        return self.where.read_text()

    def undo(self, saved: Mapping[str, Json]) -> str:
        replace_file(self.where, str(saved["was"]).encode())
        return self.where.read_text()


def main(where: Path, die_at: int, after: bool, abort: bool) -> int:
    planned = [
        PlannedStep(Point(name, where / name), OnFailure.STOP, beside=name != "localize")
        for name in ("localize", "dns", "carrier")
    ]
    journals = where / "journal"
    files = journal.files(journals)
    run = load(files[-1]) if files else None
    now = RecoveryFacts(clock.boot_id(), clock.boottime(), "digest", FenceProof.PROVEN, "promote", abort=abort)
    action = decide_recovery(run, now).action
    if action is RecoveryAction.NOTHING:
        written = journal.create(journals, "promote", machine="dallas", epoch=1)
    else:
        written = journal.reopen(files[-1], machine="dallas", epoch=1)
    written.__class__ = Mortal
    assert isinstance(written, Mortal)
    written.die_at, written.after = die_at, after
    if action is RecoveryAction.NOTHING:
        written.append(EntryKind.OPENED, data={"pair_digest": "digest"})
    runner = Runner(written)
    ended = runner.take_back(planned, "abort") if action is RecoveryAction.UNDO else runner.carry_out(planned)
    return int(ended.exit)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "after", sys.argv[4] == "abort"))
