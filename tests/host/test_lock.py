"""One process at a time, and whoever waits learns for whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    "note", [b"", b"garbage", b"{}", b'{"pid": "x", "purpose": 3, "since": []}', b'{"pid":1', b"\xff"]
)
def test_a_note_that_cannot_be_read_does_not_hide_that_the_lock_is_held(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "lock"
    with Lock(path, "one"):
        path.write_bytes(note)
        with pytest.raises(LockHeld, match="has not said what it does"), Lock(path, "two"):
            pass


def test_a_purpose_cannot_forge_a_second_line(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path, "one\nERROR: all is lost"), pytest.raises(LockHeld) as held, Lock(path, "two"):
        pass
    assert "\n" not in str(held.value)
