from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from failover.errors import Incomplete, Refused, WaitsForPerson
from failover.journal import journal
from failover.journal.entry import EntryKind
from failover.journal.run import Run, load
from failover.runner.progress import ProgressEvent, ProgressKind
from failover.runner.progress_view import LiveView, json_lines, plain
from failover.runner.runner import Runner, RunResult
from failover.runner.step import DeferredStep, OnFailure, PlannedStep
from host.exits import Exit
from host.terminal import console
from pair import SecretUnusable
from tests.failover.fakes import Clock, Move, World, masking

STEPS = ("localize", "dns", "carrier")


@pytest.fixture
def world() -> World:
    return World(dict.fromkeys(STEPS, "boston"))


def begun(where: Path, **more: object) -> Runner:
    written = journal.create(where, "promote", machine="dallas", epoch=7, clock=Clock(), mask=masking("hunter22"))
    written.append(EntryKind.OPENED, data={"pair_digest": "d"})
    return Runner(written, clock=Clock(), **more)  # type: ignore[arg-type]


def planned(world: World, on_failure: OnFailure = OnFailure.UNDO) -> list[PlannedStep]:
    return [PlannedStep(Move(name, world), on_failure) for name in STEPS]


def told(where: Path) -> Run:
    run = load(journal.files(where)[-1])
    assert run is not None
    return run


def test_each_step_is_begun_on_disk_before_it_acts_and_proven_after(tmp_path: Path, world: World) -> None:
    runner = begun(tmp_path)
    seen: list[list[EntryKind]] = []

    class Looking(Move):
        def apply(self) -> None:
            seen.append([entry.kind for entry in told(tmp_path).entries])
            super().apply()

    assert runner.carry_out([PlannedStep(Looking("dns", world), OnFailure.UNDO)]).exit is Exit.DONE
    assert seen == [[EntryKind.OPENED, EntryKind.BEGUN]]
    kinds = [entry.kind for entry in told(tmp_path).entries]
    assert kinds == [EntryKind.OPENED, EntryKind.BEGUN, EntryKind.DONE, EntryKind.VERIFIED, EntryKind.CLOSED]


def test_what_is_already_so_is_not_done_again_but_proven_again(tmp_path: Path, world: World) -> None:
    world.points["dns"] = "dallas"
    assert begun(tmp_path).carry_out(planned(world)).exit is Exit.DONE
    assert world.said == ["apply localize", "apply carrier"]
    step = told(tmp_path).step("dns")
    assert step is not None
    assert step.words == "already so: dns points to dallas"


@pytest.mark.parametrize(
    ("on_failure", "code", "said", "points"),
    [
        (OnFailure.UNDO, Exit.FAILED, ["undo dns", "undo localize"], "boston"),
        (OnFailure.STOP, Exit.HALFWAY, [], "dallas"),
        (OnFailure.GO_ON, Exit.DEGRADED, ["apply carrier"], "dallas"),
    ],
)
def test_a_failed_step_means_what_the_plan_says(
    tmp_path: Path, world: World, on_failure: OnFailure, code: Exit, said: list[str], points: str
) -> None:
    world.broken = {"dns"}
    ended = begun(tmp_path).carry_out(planned(world, on_failure))
    assert ended.exit is code
    assert world.said == ["apply localize", "apply dns", *said]
    assert world.points["localize"] == points
    assert "dns" in ended.words
    assert bool(told(tmp_path).closed) is (code is not Exit.HALFWAY)


def test_one_undo_that_fails_does_not_keep_the_others_from_theirs(tmp_path: Path, world: World) -> None:
    world.broken, world.stuck = {"carrier"}, {"dns"}
    ended = begun(tmp_path).carry_out(planned(world))
    assert (ended.exit, ended.missing) == (Exit.HALFWAY, ("dns",))
    assert world.points == {"localize": "boston", "dns": "dallas", "carrier": "boston"}
    assert not told(tmp_path).closed


def test_a_refused_step_ends_with_3_and_a_half_done_one_with_4(tmp_path: Path, world: World) -> None:
    class Fence(Move):
        def verify(self) -> str:
            raise Refused("boston answers\nType one of: ...")

    class Required(Incomplete):
        exit_code = Exit.HALFWAY

    class Trunk(Move):
        def verify(self) -> str:
            raise Required("acme does not register")

    ended = begun(tmp_path / "a").carry_out(
        [PlannedStep(Fence("localize", world), OnFailure.UNDO), *planned(world)[1:]]
    )
    assert ended.exit is Exit.REFUSED
    assert "Type one of" in ended.words
    assert set(world.points.values()) == {"boston"}
    ended = begun(tmp_path / "b").carry_out(
        [PlannedStep(Trunk("localize", world), OnFailure.UNDO), *planned(world)[1:]]
    )
    assert ended.exit is Exit.HALFWAY
    assert world.points["carrier"] == "dallas"  # the others are done all the same
    assert not told(tmp_path / "b").closed


def test_a_step_for_a_person_stays_open_and_holds_up_nobody(tmp_path: Path, world: World) -> None:
    class Manual(Move):
        def verify(self) -> str:
            raise WaitsForPerson("call acme")

    steps = [PlannedStep(Manual("carrier", world), OnFailure.UNDO), *planned(world)[:2]]
    ended = begun(tmp_path).carry_out(steps)
    assert (ended.exit, ended.missing) == (Exit.DEGRADED, ("carrier",))
    assert [step.name for step in told(tmp_path).waiting] == ["carrier"]
    assert world.points["dns"] == "dallas"


def test_a_defect_in_a_step_is_its_failure_and_tells_no_secret(tmp_path: Path, world: World) -> None:
    class Defect(Move):
        def apply(self) -> None:
            raise KeyError("hunter22")

    events: list[ProgressEvent] = []
    runner = begun(tmp_path, tell=events.append, mask=masking("hunter22"))
    steps = [PlannedStep(Defect("dns", world), OnFailure.GO_ON), *planned(world)[2:]]
    assert runner.carry_out(steps).exit is Exit.DEGRADED
    assert world.points["carrier"] == "dallas"
    assert "hunter22" not in journal.files(tmp_path)[-1].path.read_text() + repr(events)
    assert "please report it: KeyError" in next(event.words for event in events if event.kind is ProgressKind.FAILED)


def test_a_signal_waits_until_the_step_is_whole(tmp_path: Path, world: World) -> None:
    class Interrupted(Move):
        def apply(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            super().apply()

    before = signal.getsignal(signal.SIGTERM)
    ended = begun(tmp_path).carry_out(
        [PlannedStep(Interrupted("localize", world), OnFailure.UNDO), *planned(world)[1:]]
    )
    assert ended.exit is Exit.HALFWAY
    assert "SIGTERM came" in ended.words
    assert ended.missing == ("dns", "carrier")
    assert world.points == {"localize": "dallas", "dns": "boston", "carrier": "boston"}
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_guard_stops_a_run_between_steps(tmp_path: Path, world: World) -> None:
    ended = begun(tmp_path, guard=lambda: "this machine was fenced" if world.said else "").carry_out(planned(world))
    assert (ended.exit, world.said) == (Exit.HALFWAY, ["apply localize"])
    ended = begun(tmp_path, guard=lambda: "this machine was fenced").carry_out(planned(world))
    assert ended.exit is Exit.FAILED  # nothing was touched


def test_hooks_run_around_a_step_and_a_failing_one_is_told_only(tmp_path: Path, world: World) -> None:
    hooks = tmp_path / "hooks"
    for when, code in (("before", "exit 3"), ("after", "exit 0")):
        script = hooks / f"{when}-dns" / "10-tell"
        script.parent.mkdir(parents=True)
        script.write_text(
            f'#!/bin/sh\necho "$HOTSTANDBY_WHEN $HOTSTANDBY_STEP $HOTSTANDBY_RESULT" >> {tmp_path}/ran\n{code}\n'
        )
        script.chmod(0o755)
    assert begun(tmp_path / "journal", hooks=hooks).carry_out(planned(world)).exit is Exit.DONE
    assert (tmp_path / "ran").read_text() == "before dns \nafter dns verified\n"
    assert [entry.step for entry in told(tmp_path / "journal").entries if entry.kind is EntryKind.HOOK] == ["dns"]


def test_programs_before_a_step_run_when_the_journal_tells_that_it_begins(tmp_path: Path, world: World) -> None:
    hooks = tmp_path / "hooks"
    for name in ("dns", "carrier"):
        script = hooks / f"before-{name}" / "10-look"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\ncat {tmp_path}/journal/* > {tmp_path}/$HOTSTANDBY_STEP\n")
        script.chmod(0o755)
    world.points["carrier"] = "dallas"  # already so: told as well, before anything of the admin's runs
    assert begun(tmp_path / "journal", hooks=hooks).carry_out(planned(world)).exit is Exit.DONE
    last = {name: (tmp_path / name).read_bytes().splitlines()[-1] for name in ("dns", "carrier")}
    assert b'"kind":"begun","step":"dns"' in last["dns"]
    assert b'"kind":"hook","step":"carrier"' in last["carrier"]


def test_neighbours_that_may_be_side_by_side_wait_for_nobody_and_the_journal_keeps_the_order_of_each(
    tmp_path: Path, world: World
) -> None:
    names = ("dns", "carrier-a", "carrier-b")
    world.points = dict.fromkeys(("localize", *names, "proof"), "boston")
    world.broken = {"carrier-a"}
    meeting = threading.Barrier(len(names))

    class Meeting(Move):
        def apply(self) -> None:
            meeting.wait(20)  # comes only where all of them are at it
            super().apply()

    steps = [
        PlannedStep(Move("localize", world), OnFailure.UNDO),
        *(PlannedStep(Meeting(name, world), OnFailure.GO_ON, beside=True) for name in names),
        PlannedStep(Move("proof", world), OnFailure.GO_ON),
    ]
    events: list[ProgressEvent] = []
    ended = begun(tmp_path, tell=events.append).carry_out(steps)
    assert (ended.exit, ended.missing) == (Exit.DEGRADED, ("carrier-a",))
    assert (world.said[0], world.said[-1]) == ("apply localize", "apply proof")
    run = told(tmp_path)
    for name in names:
        kinds = [entry.kind for entry in run.entries if entry.step == name]
        last = EntryKind.FAILED if name == "carrier-a" else EntryKind.VERIFIED
        assert kinds == [EntryKind.BEGUN, EntryKind.DONE, last]
    assert [event.position for event in events if event.kind is ProgressKind.BEGAN] == sorted(range(1, 6))


def test_a_step_that_cannot_be_made_is_its_own_failure_also_on_the_way_back(tmp_path: Path, world: World) -> None:
    def make() -> Move:
        raise SecretUnusable("The secret file voip is missing.")

    runner = begun(tmp_path)
    steps = planned(world, OnFailure.GO_ON)
    ended = runner.carry_out([steps[0], PlannedStep(DeferredStep("dns", make), OnFailure.GO_ON), steps[2]])
    assert (ended.exit, ended.missing) == (Exit.DEGRADED, ("dns",))
    step = told(tmp_path).step("dns")
    assert step is not None
    assert (step.words, step.touched) == ("The secret file voip is missing.", False)
    assert world.points["carrier"] == "dallas"

    back = [steps[0], PlannedStep(DeferredStep("carrier", make), OnFailure.GO_ON)]
    ended = runner.take_back(back, "--abort")
    assert (ended.exit, ended.missing) == (Exit.HALFWAY, ("carrier",))
    assert world.points["localize"] == "boston"


def test_who_answers_is_said_before_anything_else(tmp_path: Path, world: World) -> None:
    class Nobody(Incomplete):
        exit_code = Exit.HALFWAY
        headline = "NOBODY ANSWERS"

    class Trunks(Move):
        def verify(self) -> str:
            raise Nobody("0 of 2 trunks")

    ended = begun(tmp_path / "a").carry_out(
        [PlannedStep(Trunks("localize", world), OnFailure.UNDO), *planned(world)[1:]]
    )
    assert ended.exit is Exit.HALFWAY
    assert ended.words.startswith("NOBODY ANSWERS. Stopped half-way: 0 of 2 trunks")
    world.broken = {"carrier"}
    ended = begun(tmp_path / "b", parting=lambda: "NOBODY SERVES").carry_out(planned(world))
    assert ended.words.startswith("NOBODY SERVES. Taken back")


def test_a_journal_that_cannot_be_written_stops_the_step_before_it_acts(tmp_path: Path, world: World) -> None:
    runner = begun(tmp_path)
    journal_file = runner._journal
    os.close(journal_file._descriptor)
    journal_file._descriptor = os.open("/dev/full", os.O_WRONLY)
    ended = runner.carry_out(planned(world))
    assert ended.exit is Exit.FAILED
    assert "the disk is full" in ended.words
    assert set(world.points.values()) == {"boston"}


def test_going_back_waits_for_no_journal(tmp_path: Path, world: World) -> None:
    runner = begun(tmp_path)
    runner.carry_out([*planned(world)[:2], PlannedStep(Move("carrier", world), OnFailure.STOP)])
    journal_file = runner._journal
    os.close(journal_file._descriptor)
    journal_file._descriptor = os.open("/dev/full", os.O_WRONLY)
    runner.take_back(planned(world), "--abort")
    assert set(world.points.values()) == {"boston"}


def _run(where: Path, die_at: int, after: str, abort: str) -> int:
    argv = [sys.executable, "-m", "tests.failover.killed", str(where), str(die_at), after, abort]
    return subprocess.run(argv, check=False, timeout=30, cwd=Path(__file__).parents[3]).returncode


@pytest.mark.parametrize("after", ["before", "after"])
def test_killed_at_each_line_the_same_command_completes_it(
    tmp_path: Path, after: str, record_property: Callable[[str, object], None]
) -> None:
    kills = 0
    for line in range(1, 30):
        where = tmp_path / str(line)
        where.mkdir()
        for name in STEPS:
            (where / name).write_text("boston")
        first = _run(where, line, after, "")
        if first == Exit.DONE:
            break
        assert first == -signal.SIGKILL
        kills += 1
        # Killed once more at the first line of the recovery, then left alone.
        assert _run(where, 1, after, "") in (-signal.SIGKILL, Exit.DONE)
        assert _run(where, 0, after, "") == Exit.DONE
        assert {(where / name).read_text() for name in STEPS} == {"dallas"}
    record_property("kills", kills)
    assert kills == 11  # opened, three lines for each of three steps, closed


def test_killed_at_each_line_the_same_command_with_abort_takes_it_back(tmp_path: Path) -> None:
    for line in range(2, 11):
        where = tmp_path / str(line)
        where.mkdir()
        for name in STEPS:
            (where / name).write_text("boston")
        assert _run(where, line, "after", "") == -signal.SIGKILL
        assert _run(where, 2, "after", "abort") == -signal.SIGKILL
        assert _run(where, 0, "after", "abort") in (Exit.FAILED, Exit.DONE)
        points = {(where / name).read_text() for name in STEPS}
        assert len(points) == 1, f"half done after a kill at line {line}"


def test_on_a_terminal_a_line_a_step_stays_and_nothing_from_outside_commands_it(tmp_path: Path, world: World) -> None:
    class Hostile(Move):
        def verify(self) -> str:
            return "boston \x1b]0;owned\x07 [red]answers[/red]"

    screen = io.StringIO()
    shown = Console(file=screen, force_terminal=True, width=100, markup=False, emoji=False, highlight=False)
    steps = [PlannedStep(Hostile("dns", world), OnFailure.UNDO), *planned(world)[2:]]
    begun(tmp_path, tell=LiveView(shown)).carry_out(steps)
    out = screen.getvalue()
    assert "\x1b]0;" not in out
    assert "[red]answers[/red]" in out
    assert "Nothing to do." in out


def test_events_are_json_lines_and_plain_lines(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:

    begun(tmp_path / "a", tell=json_lines(sys.stdout)).carry_out(planned(world))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["began", "verified"] * 3 + ["ended"]
    assert events[1]["step"] == "localize"
    world.points["dns"] = "\x1b[31mboston\n"
    world.broken = {"dns"}
    ended: RunResult = begun(tmp_path / "b", tell=plain(console())).carry_out(planned(world))
    out = capsys.readouterr().out
    assert ended.exit is Exit.FAILED
    assert "\x1b[31m" not in out
    assert "FAILED" in out
