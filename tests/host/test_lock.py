"""One process at a time, and whoever waits learns for whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from host import lock
from host.lock import Lock, LockHeld


def test_who_holds_the_lock_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    with Lock(path, "render-localized"), pytest.raises(LockHeld) as held, Lock(path, "promote"):
        pass
    assert f"render-localized (process {os.getpid()}" in str(held.value)


def test_the_lock_is_free_again_after_its_holder_ends_or_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path, "one"):
        pass
    script = (
        "import pathlib, sys, time; from host.lock import Lock\n"
        "with Lock(pathlib.Path(sys.argv[1]), 'killed'): print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(LockHeld, match=f"killed .process {process.pid}"), Lock(path, "two"):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Lock(path, "two"):
        pass


HOLDS = """
import fcntl, os, sys, time
file = os.open(sys.argv[1], os.O_RDONLY)
if len(sys.argv) > 2:
    os.setuid(65534)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""
"""A program that is none of ours and holds a lock file that it may read."""


def test_nobody_else_can_open_a_lock_file_whatever_the_umask_was(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    before = os.umask(0)
    try:
        with Lock(path, "one"):
            pass
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("left", [0o644, 0o666, 0o700])
def test_a_lock_file_that_an_earlier_version_left_open_is_closed(tmp_path: Path, left: int) -> None:
    path = tmp_path / "lock"
    path.touch()
    path.chmod(left)
    with Lock(path, "one"):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_user_cannot_keep_us_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "lock"
    with Lock(path, "one"):
        pass
    tries = subprocess.run(
        [sys.executable, "-c", "import os, sys; os.setgid(65534); os.setuid(65534); os.open(sys.argv[1], 0)", path],
        capture_output=True,
        check=False,
    )
    assert b"PermissionError" in tries.stderr
    with Lock(path, "two"):
        pass


@pytest.mark.parametrize("note", [b"", b"garbage", b"[" * 5000, b'{"pid": 1e999}', b"\xff"])
def test_a_note_that_cannot_be_read_does_not_hide_who_holds_the_lock(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "lock"
    with Lock(path, "one"):
        path.write_bytes(note)
        with pytest.raises(LockHeld, match="has not said what it does") as held, Lock(path, "two"):
            pass
    assert f"process {os.getpid()} (" in str(held.value)


def test_a_process_that_ended_long_ago_is_not_named_as_the_holder(tmp_path: Path) -> None:
    """Its process id may be somebody else's by now, and the message says to end it."""
    path = tmp_path / "lock"
    with Lock(path, "failover promote"):
        pass
    assert str(os.getpid()) in path.read_text()
    other = subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld) as refused, Lock(path, "two"):
            pass
    finally:
        other.kill()
        other.communicate()
    assert f"process {other.pid} (" in str(refused.value)
    assert str(os.getpid()) not in str(refused.value)
    assert "failover promote" not in str(refused.value)


def test_a_holder_that_the_kernel_does_not_list_is_not_guessed(tmp_path: Path) -> None:
    told = lock._described(b'{"pid": 1, "purpose": "x", "since": 0}', [0], tmp_path / "lock")
    assert "cannot be known" in told
    assert "process 1" not in told


def test_who_holds_a_lock_is_seen_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert lock.holders(path) == []
    with Lock(path, "one"):
        assert lock.holders(path) == [os.getpid()]
    assert lock.holders(path) == []


def test_a_purpose_cannot_forge_a_second_line(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path, "one\nERROR: all is lost"), pytest.raises(LockHeld) as held, Lock(path, "two"):
        pass
    assert "\n" not in str(held.value)
