"""What a machine is by its own files: role, right, fence, pause."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from failover.drill import store
from failover.journal import journal
from failover.journal.entry import EntryKind
from failover.state import claim, fenced, local_state, pause, right
from host import clock
from host.errors import UsageError
from host.lock import Lock
from host.places import Places
from localized.activation.right import give_word, log_word
from pair.right import right_file
from tests.pair.example import EXAMPLE


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path / "etc", tmp_path / "lib", tmp_path / "run")
    made.localized.mkdir(parents=True)
    made.run.mkdir()
    made.pair_toml.write_text(EXAMPLE)
    made.machine_file.write_text("boston\n")
    return made


def serve(places: Places, role: str) -> None:
    name = f"1-{role}-0123456789ab"
    (places.localized / "generations" / name).mkdir(parents=True, exist_ok=True)
    (places.localized / "current").unlink(missing_ok=True)
    (places.localized / "current").symlink_to(f"generations/{name}")


def test_a_primary_generation_alone_does_not_make_a_primary(places: Places) -> None:
    serve(places, "primary")
    found = local_state.read_state(places, "boston")
    assert not found.is_primary
    assert "no right was given" in found.why


def test_it_is_primary_with_the_right_and_the_generation_and_no_fence(places: Places) -> None:
    serve(places, "primary")
    right.grant(places, "boston", 7, "a test")
    assert local_state.read_state(places, "boston").is_primary
    assert local_state.read_state(places, "boston").epoch == 7
    fenced.fence(places, "a test fences")
    assert not local_state.read_state(places, "boston").is_primary
    fenced.lift(places)
    serve(places, "standby")
    assert not local_state.read_state(places, "boston").is_primary


@pytest.mark.parametrize("machine", ["dallas"])
def test_the_right_of_another_machine_does_not_count(places: Places, machine: str) -> None:
    serve(places, "primary")
    right.grant(places, machine, 7, "a test")
    assert not local_state.read_state(places, "boston").is_primary


def test_a_right_ends_at_its_deadline(places: Places) -> None:
    right.grant(places, "boston", 7, "a lease", deadline_boottime=clock.boottime() + 60)
    assert right.held_right(places, "boston").held
    right.grant(places, "boston", 7, "a lease", deadline_boottime=clock.boottime() - 0.1)
    assert not right.held_right(places, "boston").held


def test_a_right_of_an_earlier_boot_does_not_count(places: Places) -> None:
    right.grant(places, "boston", 7, "a test")
    file = right_file(places)
    file.write_text(file.read_text().replace(clock.boot_id(), "00000000-0000-0000-0000-000000000000"))
    assert not right.held_right(places, "boston").held


@pytest.mark.parametrize("written", ["", "{", "[]", '{"machine": "boston"}', "\0" * 100])
def test_a_damaged_right_is_none(places: Places, written: str) -> None:
    serve(places, "primary")
    right_file(places).write_text(written)
    assert not local_state.read_state(places, "boston").is_primary


@pytest.mark.parametrize("written", ["", "{", "[1]", "\0"])
def test_a_fence_counts_by_being_there(places: Places, written: str) -> None:
    fenced.path(places).write_text(written)
    assert fenced.read_fence(places) is not None


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400.0), ("2h", 7200.0), ("1h30m", 5400.0), ("1d", 86400.0), ("45s", 45.0)]
)
def test_a_duration_reads_as_people_write_it(text: str, seconds: float) -> None:
    assert pause.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "8d", "0s", "1h ", "1.5h", "2 hours", "9999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        pause.duration_s(text)


def test_a_pause_ends_by_itself(places: Places) -> None:
    pause.begin(places, "new switch", 3600)
    found = pause.read_pause(places)
    assert found is not None
    assert 3590 < found[1] <= 3600
    over = found[0].left_s(boot=clock.boot_id(), boottime=clock.boottime() + 3601, wall=datetime.now(UTC))
    assert over < 0


def test_a_pause_survives_a_reboot_by_the_wall_clock(places: Places) -> None:
    made = pause.begin(places, "new switch", 3600)
    later = datetime.now(UTC) + timedelta(seconds=1800)
    assert 1700 < made.left_s(boot="another boot", boottime=12.0, wall=later) < 1900


def test_a_damaged_pause_counts_as_one(places: Places) -> None:
    pause.begin(places, "new switch", 3600)
    pause.path(places).write_text("{}")
    with pytest.raises(pause.PauseUnreadable, match="failover unpause"):
        pause.read_pause(places)


def ran(places: Places, command: str, epoch: int, closed: str) -> None:
    written = journal.create(journal.directory(places), command, machine="boston", epoch=epoch)
    written.append(EntryKind.OPENED, words="a test")
    if closed:
        written.append(EntryKind.CLOSED, words=closed)
    written.close()


def test_a_promotion_that_was_taken_back_numbers_the_next_and_proves_nothing(places: Places) -> None:
    ran(places, "promote", 3, "degraded: carrier-acme not complete")
    ran(places, "promote", 4, "undone: the peer serves")
    ran(places, "demote", 4, "done")
    found = local_state.read_state(places, "boston")
    assert (found.epoch, found.served, found.open_run) == (4, 3, "")
    ran(places, "switchover", 5, "")
    found = local_state.read_state(places, "boston")
    assert (found.epoch, found.served, found.open_run) == (5, 3, "switchover 4")


def test_a_demotion_by_hand_is_remembered_until_a_promotion_is_completed_here(places: Places) -> None:
    ran(places, "promote", 3, "done")
    assert local_state.read_state(places, "boston").stood_down == 0
    ran(places, "demote", 3, "done")
    ran(places, "promote", 4, "undone: the peer serves")
    assert local_state.read_state(places, "boston").stood_down == 3
    ran(places, "switchover", 5, "degraded: carrier-acme not complete")
    assert local_state.read_state(places, "boston").stood_down == 0


def typed(places: Places, *argv: str) -> subprocess.CompletedProcess[str]:
    env = {
        "HOTSTANDBY_CONFIG": str(places.config),
        "HOTSTANDBY_STATE": str(places.state),
        "HOTSTANDBY_RUN": str(places.run),
        "PATH": "/usr/bin:/bin",
    }
    program = [sys.executable, "-c", "from failover.command import main; main()"]
    return subprocess.run([*program, *argv], env=env, capture_output=True, text=True, timeout=30, check=False)


def test_is_primary_and_run_if_primary_follow_the_standing(places: Places) -> None:
    serve(places, "primary")
    assert typed(places, "is-primary").returncode == 1
    assert typed(places, "run-if-primary", "--", "echo", "--flag").stdout == ""
    right.grant(places, "boston", 7, "a test")
    assert typed(places, "is-primary").returncode == 0
    assert json.loads(typed(places, "is-primary", "--json").stdout)["right"]["epoch"] == 7
    assert typed(places, "run-if-primary", "--", "echo", "--flag").stdout == "--flag\n"
    assert typed(places, "run-if-primary", "--", "sh", "-c", "exit 7").returncode == 7


def test_what_is_not_known_is_no(places: Places) -> None:
    places.pair_toml.write_text("not [toml")
    (places.state / "pair.last-valid.toml").unlink(missing_ok=True)
    done = typed(places, "is-primary")
    assert done.returncode == 1
    assert "has no role" in done.stdout
    assert typed(places, "run-if-primary", "--", "echo", "ran").stdout == ""


def test_a_mistyped_subcommand_is_suggested(places: Places) -> None:
    done = typed(places, "is-primry")
    assert done.returncode == 2
    assert "is-primary" in done.stderr


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_we_write_is_closed_to_others_and_open_to_those_who_read_it_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    places = Places(tmp_path / "etc", tmp_path / "var" / "lib", tmp_path / "run" / "hotstandby")
    before = os.umask(umask)
    try:
        right.grant(places, "dallas", 7, "test")
        claim.claim_epoch(places, 7)
        claim.promise_epoch(places, 6)
        fenced.fence(places, "test")
        pause.begin(places, "test", 60.0)
        give_word(places, "dallas", "test")
        log_word(places, "dallas", "test")
        journal.create(journal.directory(places), "promote", machine="dallas", epoch=7).close()
        store.keep(places, 1, {}, "")
        with Lock(places.run / "lock", "test"):
            pass
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode for path in tmp_path.rglob("*")}
    assert [name for name, mode in modes.items() if mode & (stat.S_IWOTH | stat.S_IWGRP)] == []
    for name in ("var", "var/lib", "run", "run/hotstandby"):
        assert modes[name] & 0o777 == 0o755, name
    for name in ("run/hotstandby/right.json", "run/hotstandby/fenced"):
        assert modes[name] & 0o777 == 0o644, name
    assert modes["var/lib/journal"] & 0o777 == 0o700
