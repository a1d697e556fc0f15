"""Asterisk's user must be able to walk to what it includes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localized.checks.permissions import closed_directories

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs directories that belong to root")


@pytest.mark.parametrize(
    ("mode", "gid", "closed"),
    [
        (0o755, 0, False),
        (0o711, 0, False),
        (0o700, 0, True),
        (0o750, 0, True),
        (0o750, 65534, False),  # nogroup's
        (0o705, 65534, True),  # for a member the group's bits count, not the others'
    ],
)
def test_a_closed_directory_above_is_found(tmp_path: Path, mode: int, gid: int, closed: bool) -> None:
    middle = tmp_path / "hotstandby"
    (middle / "localized").mkdir(parents=True)
    os.chown(middle, 0, gid)
    middle.chmod(mode)
    found = list(closed_directories(middle / "localized", "nobody", "nogroup"))
    assert [str(problem).startswith(f"{middle} is closed to nobody") for problem in found] == [True] * closed


def test_root_goes_anywhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert list(closed_directories(tmp_path, "root", "root")) == []
