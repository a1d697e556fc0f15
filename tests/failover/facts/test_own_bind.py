"""May named read our files: by its user, its groups, and the bits of every directory above."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from failover.facts import own_bind

NOBODY = 0
"""No process has this number."""


def test_a_process_has_a_user_and_one_that_is_gone_has_none() -> None:
    assert own_bind._user(os.getpid()) == pwd.getpwuid(os.geteuid()).pw_name
    assert own_bind._user(NOBODY) == ""
    assert own_bind._profile(NOBODY) == ""


def test_what_cannot_be_looked_at_is_not_called_unreadable(tmp_path: Path) -> None:
    assert own_bind._readable(tmp_path, NOBODY)
    assert own_bind._readable(tmp_path, os.getpid())


@pytest.mark.parametrize(
    ("mode", "uid", "groups", "readable"),
    [
        (0o400, os.geteuid(), set(), True),
        (0o040, os.geteuid(), {os.getegid()}, False),  # an owner's own bits count alone
        (0o040, 54321, {os.getegid()}, True),
        (0o004, 54321, {54321}, True),
        (0o440, 54321, {54321}, False),
    ],
)
def test_the_bits_of_whoever_it_is_count(tmp_path: Path, mode: int, uid: int, groups: set[int], readable: bool) -> None:
    file = tmp_path / "zones.conf"
    file.touch()
    os.chown(file, os.geteuid(), os.getegid())
    file.chmod(mode)
    assert own_bind._permits(file, uid, groups, 0o004) is readable
    assert not own_bind._permits(tmp_path / "gone", uid, groups, 0o004)
