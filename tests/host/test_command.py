"""Programs end by their deadline, with everything that they started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from host.command import CommandLate, CommandMissing, CommandTalkative, run


def test_what_a_program_prints_and_how_it_ends() -> None:
    done = run(["sh", "-c", "echo out; printf 'err\\377' >&2; exit 3"], deadline_s=30)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err�")


def test_input_is_given_and_nothing_is_inherited() -> None:
    assert run(["cat"], deadline_s=30, input=b"given").stdout == "given"
    assert run(["cat"], deadline_s=30).stdout == ""


def test_the_environment_is_what_was_given_and_no_more() -> None:
    assert run(["/usr/bin/env"], deadline_s=30, env={"ONE": "1"}).stdout == "ONE=1\n"


def test_a_late_program_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    started = time.monotonic()
    with pytest.raises(CommandLate, match=r"did not end within 0\.5 s"):
        run(["sh", "-c", f"sleep 60 & echo $! > {child}; wait"], deadline_s=0.5)
    assert time.monotonic() - started < 15
    pid = int(child.read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split():
        assert time.monotonic() < deadline, "the child outlived its parent's deadline"
        time.sleep(0.02)


def test_a_frozen_program_is_late_too() -> None:
    with pytest.raises(CommandLate):
        run(["sh", "-c", "kill -STOP $$"], deadline_s=0.3)


def test_a_daemon_that_keeps_the_pipe_open_does_not_hold_us(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(CommandLate):
        run(["setsid", "sh", "-c", f"echo $$ > {pidfile}; exec sleep 20"], deadline_s=0.5)
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("argv", [["no-such-program-here"], ["/etc/passwd"], ["/"]])
def test_a_program_that_cannot_be_run_is_named(argv: list[str]) -> None:
    with pytest.raises(CommandMissing, match=argv[0]):
        run(argv, deadline_s=1)


def test_a_program_that_writes_without_end_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(CommandTalkative, match="more than 1000 bytes"):
        run(["sh", "-c", "yes"], deadline_s=60, most_bytes=1000)
    assert time.monotonic() - started < 40


def test_what_is_bounded_is_read_whole_until_then() -> None:
    done = run(["sh", "-c", "printf abc; printf def >&2; exit 3"], deadline_s=30, most_bytes=1000)
    assert (done.stdout, done.stderr, done.returncode) == ("abc", "def", 3)
    with pytest.raises(CommandLate):
        run(["sh", "-c", "printf abc; sleep 20"], deadline_s=0.3, most_bytes=1000)
    with pytest.raises(CommandLate):
        run(["sh", "-c", "exec 1>&- 2>&-; sleep 20"], deadline_s=0.3, most_bytes=1000)


def test_a_long_input_is_given_while_a_bounded_output_is_read() -> None:
    given = b"line\n" * 100_000
    done = run(["cat"], deadline_s=30, input=given, most_bytes=len(given))
    assert done.stdout.encode() == given


def test_a_program_that_does_not_read_its_input_ends_by_itself() -> None:
    done = run(["sh", "-c", "exec 0<&-; echo done"], deadline_s=30, input=b"x" * 1_000_000, most_bytes=1000)
    assert (done.returncode, done.stdout) == (0, "done\n")
