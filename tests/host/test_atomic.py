"""Files and links are replaced whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from host import atomic
from host.atomic import replace_file, swap_symlink, sweep


def test_a_replaced_file_has_the_new_bytes_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replace_file(path, b"new", mode=0o640)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_replaced_itself_and_its_target_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to("target")
    replace_file(link, b"new")
    assert not link.is_symlink()
    assert target.read_bytes() == b"old"


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """A file size limit ends the write half-way with an error, as a full disk does."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    script = (
        "import pathlib, resource, signal, sys; from host.atomic import replace_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: replace_file(pathlib.Path(sys.argv[1]), b'x' * 10000)\n"
        "except OSError as error: sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == 7
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_killed_while_it_writes_a_reader_sees_the_old_or_the_new_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    old, new = b"a" * 100_000, b"b" * 200_000
    path.write_bytes(old)
    script = (
        "import pathlib, sys; from host.atomic import replace_file\n"
        "path = pathlib.Path(sys.argv[1]); print('ready', flush=True)\n"
        "while True: replace_file(path, b'b' * 200_000); replace_file(path, b'a' * 100_000)\n"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(50):
            assert path.read_bytes() in (old, new)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert path.read_bytes() in (old, new)


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    for name in (f".a.conf.{ended.pid}.8jk_m2_p.new", f".current.{ended.pid}.new", f".b.{ended.pid}.8jk_m2_p.new"):
        (tmp_path / name).touch()
    kept = {f".a.conf.{os.getpid()}.8jk_m2_p.new", ".a.conf.new", "a.conf", f"a.{ended.pid}.new"}
    for name in kept:
        (tmp_path / name).touch()
    sweep(tmp_path, "a.conf")
    sweep(tmp_path, "current")
    assert set(os.listdir(tmp_path)) == {*kept, f".b.{ended.pid}.8jk_m2_p.new"}
    sweep(tmp_path)
    assert set(os.listdir(tmp_path)) == kept
    sweep(tmp_path / "missing")


def test_a_link_is_swapped_and_a_directory_in_its_place_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "current"
    swap_symlink(link, "one")
    swap_symlink(link, "two")
    assert link.readlink() == Path("two")
    real = tmp_path / "real"
    real.mkdir()
    (real / "kept").touch()
    with pytest.raises(IsADirectoryError):
        swap_symlink(real, "two")
    assert sorted(os.listdir(tmp_path)) == ["current", "real"]
    assert (real / "kept").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_directories_have_the_mode_that_is_written_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        atomic.make_directory(tmp_path / "a" / "b" / "c", 0o750)
    finally:
        os.umask(before)
    modes = [(tmp_path / part).stat().st_mode & 0o7777 for part in ("a", "a/b", "a/b/c")]
    assert modes == [0o755, 0o755, 0o750]


@pytest.mark.parametrize(
    ("left", "becomes"),
    [(0o777, 0o775), (0o775, 0o775), (0o1777, 0o1777), (0o700, 0o700), (0o2777, 0o2775)],
)
def test_a_directory_of_ours_that_was_left_open_to_everybody_is_closed(tmp_path: Path, left: int, becomes: int) -> None:
    path = tmp_path / "run"
    (path / "right.json").parent.mkdir()
    (path / "right.json").touch()
    path.chmod(left)
    atomic.make_directory(path)
    assert path.stat().st_mode & 0o7777 == left  # an admin's own
    atomic.own_directory(path)
    assert path.stat().st_mode & 0o7777 == becomes


def test_a_file_in_the_place_of_a_directory_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError, match="File exists"):
        atomic.make_directory(tmp_path / "run")
    with pytest.raises(OSError, match="File exists"):
        atomic.make_directory(tmp_path / "run" / "below")


def test_an_empty_directory_of_a_run_that_was_killed_too_early_gets_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    atomic.own_directory(path)
    assert path.stat().st_mode & 0o7777 == 0o755
