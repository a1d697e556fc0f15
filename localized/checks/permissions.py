"""Whether Asterisk's user can walk to the localized directory: one closed directory above it hides every include."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from localized.checks.problem import ConfigProblem, Severity


def closed_directories(directory: Path, user: str, group: str) -> Iterator[ConfigProblem]:
    """Every directory from `directory` up that `user` may not enter.

    Args:
        directory: the localized directory.
        user, group: Asterisk's; a user that this machine does not know is judged by the group alone.
    """
    uid, groups = _ids(user, group)
    if uid == 0:
        return
    for path in (directory, *directory.parents):
        try:
            state = path.stat()
        except OSError:
            continue
        if state.st_uid == uid:
            wanted = stat.S_IXUSR
        elif state.st_gid in groups:
            wanted = stat.S_IXGRP
        else:
            wanted = stat.S_IXOTH
        if not state.st_mode & wanted:
            yield ConfigProblem(
                Severity.BLOCKER,
                f"{path} is closed to {user}, so Asterisk reads nothing below it. Type:\n    chmod o+x {path}",
            )


def _ids(user: str, group: str) -> tuple[int | None, set[int]]:
    groups = set()
    with contextlib.suppress(KeyError):
        groups.add(grp.getgrnam(group).gr_gid)
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        return None, groups
    return known.pw_uid, groups | set(os.getgrouplist(user, known.pw_gid))
