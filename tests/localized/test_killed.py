"""SIGKILL before every single thing that a run changes: what is active is whole, and the same command succeeds.

tests/localized/forked.py says how it is killed.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
from pathlib import Path

import pytest

from host.places import Places
from localized.generations import Store
from localized.role import Role
from tests.localized.example import lay_out
from tests.localized.forked import run


def active_is_whole(places: Places) -> Role | None:
    current = places.localized / "current"
    if not current.is_symlink():
        return None
    found = Store(places).pointed_to("current")
    assert found is not None, f"current points to {current.readlink()}, which is no complete generation"
    for path, file in found.files().items():
        data = (found.path / path).read_bytes()
        if path.startswith("asterisk/"):
            data = data.split(b"\n", 1)[1]
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    return found.role


ACTIVATE = ("--activate", "--without-asterisk")
CASES = {
    "render": ("--role", "standby"),
    "first standby": ("--role", "standby", *ACTIVATE),
    "standby to primary": ("--role", "primary", *ACTIVATE, "--peer-is-down", "test"),
    "rollback": ("--rollback", "--without-asterisk", "--peer-is-down", "test"),
}


@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere_what_is_active_is_whole_and_the_same_command_succeeds(case: str, tmp_path: Path) -> None:
    arguments = CASES[case]
    places = lay_out(tmp_path / "machine")
    (tmp_path / "machine" / "hosts").write_text("127.0.0.1 localhost\n")
    for role in {"standby to primary": ["standby"], "rollback": ["primary", "standby"]}.get(case, []):
        assert run(places, ["--role", role, *ACTIVATE, "--peer-is-down", "t"]).returncode == 0
    shutil.copytree(tmp_path / "machine", tmp_path / "as it was", symlinks=True)

    def as_it_was() -> None:
        shutil.rmtree(tmp_path / "machine")
        shutil.copytree(tmp_path / "as it was", tmp_path / "machine", symlinks=True)

    done = run(places, arguments)
    assert done.returncode == 0, done.stderr
    changes = done.changes
    assert changes > 5
    # Every point of the swap itself, at the end; of the many alike before it, every eleventh.
    for kill_at in sorted({*range(1, changes, 11), *range(max(1, changes - 14), changes + 1)}):
        as_it_was()
        before = active_is_whole(places)
        assert run(places, arguments, kill_at=kill_at).returncode == -signal.SIGKILL
        found = active_is_whole(places)
        wanted = {"first standby": Role.STANDBY, "standby to primary": Role.PRIMARY, "rollback": Role.PRIMARY}.get(case)
        assert found in {before, wanted}
        if case == "rollback" and found is wanted:
            # Done already: what was active before is the previous one now, and going back again is another rollback.
            continue
        assert run(places, arguments).returncode == 0
        assert active_is_whole(places) is wanted
        assert not [left.name for left in Store(places).directory.iterdir() if left.name.startswith(".")]
        assert (tmp_path / "machine" / "hosts").read_text().startswith("127.0.0.1 localhost\n")
