"""What a test run says where the world, or one of its Asterisks, cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import RELEASES, available
from lab.computer import roots

CHECKOUT = Path(__file__).parents[3]
ONE_TEST = "tests/world/lab/test_carrier.py::test_nobody_registered_is_said_so"


def run(roots_directory: Path, required: bool) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOTSTANDBY_ROOTS": str(roots_directory)}
    environment.pop("HOTSTANDBY_WORLD", None)
    if required:
        environment["HOTSTANDBY_WORLD"] = "required"
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", ONE_TEST]
    return subprocess.run(argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120)


def test_without_any_asterisk_the_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    done = run(tmp_path, required=False)
    assert done.returncode == 0, done.stdout
    assert "2 skipped" in done.stdout
    assert "lab roots" in done.stdout or "root" in done.stdout


def test_without_any_asterisk_where_the_world_is_required_they_fail(tmp_path: Path) -> None:
    done = run(tmp_path, required=True)
    assert done.returncode == 1, done.stdout
    assert "the real world is required here" in done.stdout


@pytest.mark.world
@pytest.mark.parametrize("there", RELEASES)
def test_with_one_asterisk_the_tests_of_the_other_are_skipped_by_name(there: roots.Release, tmp_path: Path) -> None:
    if (reason := available(there)) is not None:
        pytest.skip(reason)
    built = roots.root(there)
    (tmp_path / built.suite).symlink_to(built.path)
    done = run(tmp_path, required=True)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped" in done.stdout
    assert f"no Asterisk {'16' if there == '22' else '22'} here" in done.stdout
