"""Which process is the Asterisk of this configuration: real processes that call themselves asterisk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from failover.demotion import killing
from failover.errors import NotProven
from failover.probes import asterisk_process
from pair import Asterisk

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a shell under the name of asterisk; its configuration is a script that waits for ever."""
    program = tmp_path / "asterisk"
    shutil.copy(Path("/bin/sh").resolve(), program)
    os.mkfifo(tmp_path / "never")
    running: list[subprocess.Popen[bytes]] = []

    def one(directory: Path, *, keeper: bool = False) -> subprocess.Popen[bytes]:
        directory.mkdir(exist_ok=True)
        conf = directory / "asterisk.conf"
        # Read as asterisk.conf by us, and as a script by the shell, which knows no command of its first two lines.
        conf.write_text(f"[directories]\nastrundir => {directory}/run\nwhile :; do read x < {tmp_path}/never; done\n")
        argv = [str(program), "-C", str(conf)]
        if keeper:
            script = directory / "safe_asterisk"
            script.write_text(f"while :; do {program} -C {conf}; done\n")
            argv = ["/bin/sh", str(script)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        running.append(process)
        return process

    yield one
    for process in running:
        with_group = process.poll() is None
        if with_group:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def found(asterisk: Asterisk, deadline_s: float = 20.0) -> tuple[asterisk_process.AsteriskProcess, ...]:
    until = time.monotonic() + deadline_s
    while not (processes := asterisk_process.find_asterisk(asterisk)):
        assert time.monotonic() < until
        time.sleep(0.02)
    return processes


def test_only_the_one_with_our_configuration_is_ours_and_is_killed(start: Start, tmp_path: Path) -> None:
    ours, other = Asterisk(config_dir=str(tmp_path / "ours")), Asterisk(config_dir=str(tmp_path / "other"))
    mine, theirs = start(tmp_path / "ours"), start(tmp_path / "other")
    assert [process.pid for process in found(ours)] == [mine.pid]
    found(other)
    mine.send_signal(signal.SIGSTOP)
    assert [process.pid for process in killing.kill_asterisk(ours)] == [mine.pid]
    assert mine.wait(5) == -signal.SIGKILL
    assert theirs.poll() is None
    assert "no Asterisk process runs" in killing.proven_gone(ours)
    with pytest.raises(NotProven, match=str(theirs.pid)):
        killing.proven_gone(other)


def test_a_pid_file_that_names_something_else_kills_nothing(start: Start, tmp_path: Path) -> None:
    ours = Asterisk(config_dir=str(tmp_path / "ours"))
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/asterisk.conf").write_text(f"[directories]\nastrundir => {tmp_path}/run\n")
    (tmp_path / "run").mkdir()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "run/asterisk.pid").write_text(f"{bystander.pid}\n")
        assert asterisk_process.run_directory(ours) == tmp_path / "run"
        assert asterisk_process.find_asterisk(ours) == ()
        assert killing.kill_asterisk(ours) == ()
        assert bystander.poll() is None
        other = start(tmp_path / "other")
        found(Asterisk(config_dir=str(tmp_path / "other")))
        (tmp_path / "run/asterisk.pid").write_text(f"{other.pid}\n")
        assert [process.pid for process in asterisk_process.find_asterisk(ours)] == [other.pid]
    finally:
        bystander.kill()
        bystander.wait(5)


def test_a_keeper_that_would_start_it_anew_is_ended_first(start: Start, tmp_path: Path) -> None:
    ours = Asterisk(config_dir=str(tmp_path / "ours"))
    keeper = start(tmp_path / "ours", keeper=True)
    (process,) = found(ours)
    assert process.supervisor == keeper.pid
    killing.kill_asterisk(ours)
    assert keeper.wait(5) == -signal.SIGKILL
    time.sleep(0.2)
    assert asterisk_process.find_asterisk(ours) == ()


def test_where_nothing_runs_nothing_is_killed_and_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(killing, "AGAIN_S", 60.0)
    (tmp_path / "asterisk.conf").write_text(f"[directories]\nastrundir => {tmp_path}/run\n")
    begun = time.monotonic()
    assert killing.kill_asterisk(Asterisk(config_dir=str(tmp_path))) == ()
    assert time.monotonic() - begun < 30
