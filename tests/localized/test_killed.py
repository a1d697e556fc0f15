"""SIGKILL before every single thing that a run changes: what is active is whole, and the same command succeeds.

The kill comes from an audit hook in the child, before the nth file, directory, link or mode that is made, changed or
removed. Python raises audit events for all of them (PEP 578).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from host.places import Places
from localized.command import command
from localized.generations import Store
from localized.role import Role
from tests.localized.example import environment, lay_out

CHANGES = frozenset(
    {"os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.utime", "os.truncate"}
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def run(places: Places, arguments: Sequence[str], *, kill_at: int = 0) -> tuple[int, int]:
    """Exit code, or minus the signal, of a child that runs the command; and how many changes it made."""
    count_read, count_write = os.pipe()
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, details: tuple[Any, ...]) -> None:
            nonlocal seen
            if event in CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & WRITES):
                seen += 1
                if seen == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 99
        try:
            os.environ.update(environment(places))
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
            sys.stdout = sys.stderr = open(null, "w")  # noqa: SIM115, PTH123 - for the child's whole life
            sys.addaudithook(hook)
            command.main(list(arguments), standalone_mode=False)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os.write(count_write, str(seen).encode())
            os._exit(code)
    os.close(count_write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(count_read, "rb") as counted:
        seen = int(counted.read() or b"0")
    return os.waitstatus_to_exitcode(status), seen


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
    arguments = [*CASES[case], "--hosts-file", str(tmp_path / "machine" / "hosts")]

    places = lay_out(tmp_path / "machine")
    (tmp_path / "machine" / "hosts").write_text("127.0.0.1 localhost\n")
    for role in {"standby to primary": ["standby"], "rollback": ["primary", "standby"]}.get(case, []):
        assert run(places, ["--role", role, *ACTIVATE, "--peer-is-down", "t", *arguments[-2:]])[0] == 0
    shutil.copytree(tmp_path / "machine", tmp_path / "as it was", symlinks=True)

    def as_it_was() -> None:
        shutil.rmtree(tmp_path / "machine")
        shutil.copytree(tmp_path / "as it was", tmp_path / "machine", symlinks=True)

    code, changes = run(places, arguments)
    assert code == 0
    assert changes > 5
    # Every point of the swap itself, at the end; of the many alike before it, every eleventh.
    for kill_at in sorted({*range(1, changes, 11), *range(max(1, changes - 14), changes + 1)}):
        as_it_was()
        before = active_is_whole(places)
        assert run(places, arguments, kill_at=kill_at)[0] == -signal.SIGKILL
        found = active_is_whole(places)
        wanted = {"first standby": Role.STANDBY, "standby to primary": Role.PRIMARY, "rollback": Role.PRIMARY}.get(case)
        assert found in {before, wanted}
        if case == "rollback" and found is wanted:
            # Done already: what was active before is the previous one now, and going back again is another rollback.
            continue
        assert run(places, arguments)[0] == 0
        assert active_is_whole(places) is wanted
        assert not [left.name for left in Store(places).directory.iterdir() if left.name.startswith(".")]
        assert (tmp_path / "machine" / "hosts").read_text().startswith("127.0.0.1 localhost\n")
