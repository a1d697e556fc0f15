"""What root runs may be changed by root alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from host.hook import run_parts
from host.ownership import open_to_everybody, open_to_others, opened

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program in two directories of ours."""
    path = tmp_path / "hooks" / "after-localize" / "tell"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\necho ran\n")
    path.chmod(0o755)
    for directory in (path.parent, path.parent.parent):
        directory.chmod(0o755)
    return path


def test_what_root_alone_may_write_is_trusted(program: Path) -> None:
    assert open_to_others(program) == ""
    assert [run.returncode for run in run_parts(program.parent, env={}, deadline_s=30)] == [0]


@pytest.mark.parametrize("part", ["hooks", "hooks/after-localize", "hooks/after-localize/tell"])
@pytest.mark.parametrize(("mode", "mend"), [(0o757, "chmod o-w"), (0o777, "chmod o-w")])
def test_a_file_or_directory_that_everybody_may_write_is_refused_with_the_command_that_closes_it(
    program: Path, tmp_path: Path, part: str, mode: int, mend: str
) -> None:
    (tmp_path / part).chmod(mode)
    said = open_to_others(program)
    assert said == f"every user of this machine may write {tmp_path / part}; close it with: {mend} {tmp_path / part}"
    assert open_to_everybody(program) == said
    (run,) = run_parts(program.parent, env={}, deadline_s=30)
    assert run.returncode is None
    assert run.said == f"it was not run: {said}"
    subprocess.run(said.partition("close it with: ")[2].split(), check=True)
    assert open_to_everybody(program) == ""


@AS_ROOT
@pytest.mark.parametrize("part", ["hooks", "hooks/after-localize", "hooks/after-localize/tell"])
def test_another_users_and_another_groups_are_refused(program: Path, tmp_path: Path, part: str) -> None:
    path = tmp_path / part
    os.chown(path, NOBODY, -1)
    assert open_to_others(program).endswith(f"close it with: chown root {path}")
    os.chown(path, 0, NOBODY)
    assert open_to_others(program) == ""  # its group may not write
    path.chmod(0o775)
    assert open_to_others(program).endswith(f"close it with: chmod g-w {path}")
    assert open_to_everybody(program) == ""
    os.chown(path, 0, 0)
    assert open_to_others(program) == ""


@AS_ROOT
def test_a_user_of_its_own_trusts_root_and_itself() -> None:
    """agi-server and ami-watcher run as users of their own."""
    # Not tmp_path: each pytest that starts closes the directory that all of them share.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        program = Path(directory) / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        os.chown(program, NOBODY, -1)
        assert _as_user(NOBODY, program) == ""
        assert "chown root" in _as_user(1, program)


def _as_user(uid: int, program: Path) -> str:
    """What such a user is told of the program."""
    script = (
        "import os, sys, pathlib; from host.ownership import open_to_others; os.setuid(int(sys.argv[2])); "
        "print(open_to_others(pathlib.Path(sys.argv[1])))"
    )

    return subprocess.run(
        ["python3", "-c", script, str(program), str(uid)], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_sticky_directory_on_the_way_is_no_way_in(program: Path, tmp_path: Path) -> None:
    (tmp_path / "hooks").chmod(0o1777)
    assert open_to_others(program) == ""


@AS_ROOT
def test_a_link_leads_to_what_is_looked_at(program: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = elsewhere / "real"
    program.rename(target)
    program.symlink_to("../../elsewhere/real")
    assert open_to_others(program) == ""
    elsewhere.chmod(0o777)
    assert open_to_others(program).endswith(f"chmod o-w {elsewhere}")
    elsewhere.chmod(0o1777)
    assert open_to_others(program) == ""
    os.chown(target, NOBODY, -1)
    assert open_to_others(program).endswith(f"chown root {target}")


@AS_ROOT
def test_somebody_elses_link_in_a_sticky_directory_is_refused(program: Path, tmp_path: Path) -> None:
    (tmp_path / "hooks").chmod(0o1777)
    link = tmp_path / "hooks" / "link"
    link.symlink_to("after-localize/tell")
    assert open_to_others(link) == ""
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    assert open_to_others(link).endswith(f"chown root {link}")


def test_a_loop_of_links_and_a_missing_file_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert [found for found in opened(tmp_path / "loop") if found.path == tmp_path / "loop"] == []
    assert open_to_others(tmp_path / "missing" / "below") == ""


@AS_ROOT
def test_an_access_list_is_seen_behind_roots_group(program: Path) -> None:
    if shutil.which("setfacl") is None:
        # The same bits as setfacl -m u:65534:rw makes of them: version 2, then (tag, rights, id) each (acl(5)).
        entries = [(1, 7, -1), (2, 6, NOBODY), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
        raw = (2).to_bytes(4, "little") + b"".join(
            tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + (uid & 0xFFFFFFFF).to_bytes(4, "little")
            for tag, rights, uid in entries
        )
        try:
            os.setxattr(program, "system.posix_acl_access", raw)
        except OSError:
            pytest.skip("this file system has no access lists")
    else:
        subprocess.run(["setfacl", "-m", f"u:{NOBODY}:rw", str(program)], check=True)
    assert open_to_others(program).endswith(f"chmod g-w {program}")
