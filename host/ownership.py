"""Who may change what we run: a file is trusted when nobody but root and this process's own user can write it, or put
another one in its place.

As sshd looks at authorized_keys (StrictModes, sshd_config(5)): the file, every directory above it, and every symbolic
link on the way. A user's private group, in which nobody else is, counts as the user.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.printable import printable

_MOST_LINKS: Final = 40
"""Symbolic links on one way, as the kernel counts them (path_resolution(7), ELOOP)."""
_ACL: Final = "system.posix_acl_access"


@dataclass(frozen=True, slots=True)
class Open:
    """One file or directory that others may write.

    Attributes:
        path: which.
        who: whom it lets in, in words.
        mend: the command that closes it.
        everybody: whether that is every user of the machine.
    """

    path: Path
    who: str
    mend: str
    everybody: bool

    def __str__(self) -> str:
        return f"{self.who} may write {printable(str(self.path), 400)}; close it with: {self.mend}"


def opened(path: Path) -> Iterator[Open]:
    """What lets others change what `path` names, from the root downwards; nothing for a path that is not there."""
    for step, state, sticky in _way(path):
        # A link's own mode says nothing; in a directory such as /tmp it belongs to whoever made it.
        if stat.S_ISLNK(state.st_mode) and not sticky:
            continue
        if state.st_uid not in (0, os.geteuid()):
            yield Open(step, f"the user {_user(state.st_uid)}", f"chown root {step}", everybody=False)
        if stat.S_ISLNK(state.st_mode) or (stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_ISVTX):
            continue
        if state.st_mode & stat.S_IWOTH:
            yield Open(step, "every user of this machine", f"chmod o-w {step}", everybody=True)
        if state.st_mode & stat.S_IWGRP and not _private(step, state):
            yield Open(step, f"the group {_group(state.st_gid)}", f"chmod g-w {step}", everybody=False)


def open_to_others(path: Path) -> str:
    """Why others can change what `path` names, and the command that helps; empty where they cannot."""
    return next((str(found) for found in opened(path)), "")


def open_to_everybody(path: Path) -> str:
    """Why every user of this machine can change what `path` names, and the command that helps; empty where not."""
    return next((str(found) for found in opened(path) if found.everybody), "")


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result, bool]]:
    """Each directory, link and file on the way to what a path names, and whether it lies in a sticky directory."""
    here = Path("/")
    left = list(reversed(path.absolute().parts[1:]))
    links = 0
    try:
        state = here.lstat()
        yield here, state, False
        while left:
            part = left.pop()
            if part == "..":
                here = here.parent
                state = here.lstat()
                continue
            sticky = bool(state.st_mode & stat.S_ISVTX)
            found = (here / part).lstat()
            yield here / part, found, sticky
            if not stat.S_ISLNK(found.st_mode):
                here, state = here / part, found
                continue
            links += 1
            if links > _MOST_LINKS:
                return
            target = (here / part).readlink()
            if target.is_absolute():
                here = Path("/")
                state = here.lstat()
            left += reversed([one for one in target.parts if one not in ("/", ".")])
    except OSError:
        return


def _private(path: Path, state: os.stat_result) -> bool:
    """Whether a group is root's, or one in which only the owner is; an access list may let others in all the same."""
    try:
        if _ACL in os.listxattr(path):
            return False
    except OSError:
        pass
    if state.st_gid == 0:
        return True
    try:
        group, owner = grp.getgrgid(state.st_gid), pwd.getpwuid(state.st_uid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


def _user(uid: int) -> str:
    try:
        return printable(pwd.getpwuid(uid).pw_name, 40)
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return printable(grp.getgrgid(gid).gr_name, 40)
    except KeyError:
        return str(gid)
