from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from failover.journal import journal
from failover.journal.entry import EntryKind, JournalEntry, RunOutcome, Stamp
from failover.journal.recovery import FRESH_S, FenceProof, RecoveryAction, RecoveryFacts, decide_recovery
from failover.journal.run import Run, fold, load
from failover.runner.runner import Runner, RunResult
from failover.runner.step import OnFailure, PlannedStep
from host.exits import Exit
from tests.failover.fakes import Clock, Killed, Move, Where, World, dying

STAMP = Stamp("", 1000.0, "boot-1", "dallas", 7)
NOW = RecoveryFacts("boot-1", 1010.0, "digest", FenceProof.PROVEN, "promote")
LINES = [
    (EntryKind.OPENED, ""),
    (EntryKind.BEGUN, "localize"),
    (EntryKind.DONE, "localize"),
    (EntryKind.VERIFIED, "localize"),
]


def run_of(*lines: tuple[EntryKind, str], command: str = "promote") -> Run:
    facts = {"pair_digest": "digest"}
    entries = [
        JournalEntry(n, kind, step, "", STAMP, facts if n == 1 else {}) for n, (kind, step) in enumerate(lines, 1)
    ]
    run = fold(3, command, entries)
    assert run is not None
    return run


@pytest.mark.parametrize(
    ("now", "action", "word"),
    [
        (NOW, RecoveryAction.CONTINUE, "goes on"),
        (replace(NOW, boot_id="boot-2", boottime=5.0), RecoveryAction.UNDO, "started anew"),
        (replace(NOW, pair_digest="other"), RecoveryAction.UNDO, "pair.toml"),
        (replace(NOW, fence=FenceProof.UNKNOWN), RecoveryAction.UNDO, "not be proven"),
        (replace(NOW, fence=FenceProof.DISPROVEN), RecoveryAction.UNDO, "the peer serves"),
        (replace(NOW, boottime=1000.0 + FRESH_S + 1), RecoveryAction.UNDO, "minutes old"),
        (replace(NOW, boottime=999.0), RecoveryAction.UNDO, "minutes old"),  # the same boot id, and time ran backwards
        (replace(NOW, wants="demote"), RecoveryAction.UNDO, "'demote' was asked for"),
        (replace(NOW, wants="boot"), RecoveryAction.UNDO, "'boot'"),
        (replace(NOW, abort=True), RecoveryAction.UNDO, "--abort"),
    ],
)
def test_an_open_promotion_goes_on_only_while_all_that_made_it_safe_is_so(
    now: RecoveryFacts, action: RecoveryAction, word: str
) -> None:
    decision = decide_recovery(run_of(*LINES), now)
    assert decision.action is action
    assert word in decision.why


HOLDS = replace(NOW, holds=True)


@pytest.mark.parametrize(
    ("now", "action"),
    [
        (HOLDS, RecoveryAction.CONTINUE),
        (replace(HOLDS, boottime=1000.0 + FRESH_S + 1), RecoveryAction.NOTHING),
        (replace(HOLDS, pair_digest="mended"), RecoveryAction.NOTHING),
        (replace(HOLDS, fence=FenceProof.UNKNOWN), RecoveryAction.NOTHING),
        (replace(HOLDS, wants="switchover"), RecoveryAction.NOTHING),
        (replace(HOLDS, fence=FenceProof.DISPROVEN), RecoveryAction.UNDO),
        (replace(HOLDS, abort=True), RecoveryAction.UNDO),
    ],
)
def test_what_answers_by_this_run_is_not_taken_down_to_complete_what_is_missing(
    now: RecoveryFacts, action: RecoveryAction
) -> None:
    decision = decide_recovery(run_of(*LINES), now)
    assert decision.action is action
    # Closed so, the next command sees that something is missing, and completes it.
    assert (decision.ends_as is RunOutcome.DEGRADED) is (action is RecoveryAction.NOTHING)


@pytest.mark.parametrize(
    ("run", "action"),
    [
        (None, RecoveryAction.NOTHING),
        (run_of((EntryKind.OPENED, "")), RecoveryAction.NOTHING),
        (run_of(*LINES, (EntryKind.CLOSED, "")), RecoveryAction.NOTHING),
        (run_of(*LINES, (EntryKind.UNDOING, "localize")), RecoveryAction.UNDO),
        (run_of(*LINES, (EntryKind.UNDOING, "localize"), (EntryKind.UNDONE, "localize")), RecoveryAction.NOTHING),
        (run_of((EntryKind.OPENED, ""), command="demote"), RecoveryAction.CONTINUE),
        (run_of(*LINES, command="demote"), RecoveryAction.CONTINUE),
    ],
    ids=["none", "nothing touched", "closed", "undoing", "undone", "demote opened", "demote begun"],
)
def test_the_run_decides_when_all_is_well(run: Run | None, action: RecoveryAction) -> None:
    assert decide_recovery(run, NOW).action is action


@pytest.mark.parametrize("now", [replace(NOW, boot_id="boot-2"), replace(NOW, fence=FenceProof.DISPROVEN)])
def test_a_demotion_always_goes_on(now: RecoveryFacts) -> None:
    assert decide_recovery(run_of(*LINES, command="demote"), now).action is RecoveryAction.CONTINUE


STEPS = ("fence", "localize", "dns", "carrier")


class Promotions(RuleBasedStateMachine):
    """Promotions that are killed anywhere, in a world where machines restart, files change and peers come back."""

    def __init__(self) -> None:
        super().__init__()
        self.where = Path(tempfile.mkdtemp(prefix="journal-"))
        self.clock = Clock()
        self.world = World(dict.fromkeys(STEPS, "boston"))
        self.digest = "digest-1"
        self.fence = FenceProof.PROVEN

    def teardown(self) -> None:
        shutil.rmtree(self.where)

    @rule(
        die_at=st.integers(0, 16),
        where=st.sampled_from(Where),
        inside=st.sampled_from(("", "", *STEPS)),
        broken=st.sets(st.sampled_from(STEPS), max_size=1),
        stuck=st.sets(st.sampled_from(STEPS), max_size=1),
        on_failure=st.sampled_from(OnFailure),
        abort=st.booleans(),
    )
    def promote(
        self,
        die_at: int,
        where: Where,
        inside: str,
        broken: set[str],
        stuck: set[str],
        on_failure: OnFailure,
        abort: bool,
    ) -> None:
        self.world.die_inside, self.world.broken, self.world.stuck = inside, broken, stuck
        self.world.said.clear()
        planned = [PlannedStep(Move(name, self.world), on_failure) for name in STEPS]
        newest = self.newest()
        now = RecoveryFacts(self.clock.boot, self.clock.boottime(), self.digest, self.fence, "promote", abort=abort)
        decision = decide_recovery(newest, now)
        try:
            if decision.action is RecoveryAction.NOTHING:
                if self.fence is not FenceProof.PROVEN or abort:
                    return
                before = dict(self.world.points)
                written = journal.create(self.where, "promote", machine="dallas", epoch=1, clock=self.clock)
                runner = Runner(dying(written, die_at, where), clock=self.clock)
                written.append(EntryKind.OPENED, data={"pair_digest": self.digest, "before": before})
                ended = runner.carry_out(planned)
            else:
                file = journal.files(self.where)[-1]
                written = journal.reopen(file, machine="dallas", epoch=1, clock=self.clock)
                runner = Runner(dying(written, die_at, where), clock=self.clock)
                if decision.action is RecoveryAction.UNDO:
                    ended = runner.take_back(planned, decision.why)
                    assert not [said for said in self.world.said if said.startswith("apply")]
                else:
                    assert self.fence is FenceProof.PROVEN
                    ended = runner.carry_out(planned)
        except Killed:
            return
        self.check(ended)

    def check(self, ended: RunResult) -> None:
        run = self.newest()
        assert run is not None
        if ended.exit in (Exit.DONE, Exit.DEGRADED):
            assert set(self.world.points.values()) == {"dallas"}
            assert run.closed
            assert bool(ended.missing) is (ended.exit is Exit.DEGRADED)
        elif ended.exit is Exit.FAILED:
            assert self.world.points == run.facts["before"]
            assert run.closed
        else:
            assert ended.exit is Exit.HALFWAY
            assert not run.closed

    @rule()
    def restart(self) -> None:
        self.clock.boot += "+"
        self.clock.now = 20.0

    @rule(seconds=st.sampled_from((5.0, FRESH_S + 1)))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def edit_pair(self) -> None:
        self.digest += "'"

    @rule(fence=st.sampled_from(FenceProof))
    def peer(self, fence: FenceProof) -> None:
        self.fence = fence

    @precondition(lambda self: (run := self.newest()) is not None and run.closed)
    @rule()
    def demoted_by_hand(self) -> None:
        self.world.points = dict.fromkeys(STEPS, "boston")

    @invariant()
    def whatever_changed_is_in_the_journal(self) -> None:
        run = self.newest()
        before = dict.fromkeys(STEPS, "boston") if run is None else run.facts.get("before")
        for name, points in self.world.points.items():
            if run is None or not isinstance(before, dict) or run.closed:
                continue
            if points != before[name]:
                told = run.step(name)
                assert told is not None
                assert told.touched
                assert told.saved == {"was": before[name]}

    def newest(self) -> Run | None:
        files = journal.files(self.where)
        return load(files[-1]) if files else None


TestPromotions = Promotions.TestCase
TestPromotions.settings = settings(max_examples=150, stateful_step_count=12)
