"""Files and links that are replaced whole or not at all, and survive a power cut."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Final

_UNFINISHED: Final = re.compile(r"\.(?P<name>.+?)\.(?P<process>\d+)(?:\.\w{8})?\.new")
"""Names of what is being written: beside the file, with the process that writes it."""


def fsync_directory(directory: Path) -> None:
    """Makes renames and new names in `directory` durable.

    Raises:
        OSError
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Makes a directory with that mode whatever the umask, and those above that are missing; one that is there stays.

    Under umask 000 an admin's cron job would leave directories that everybody may write; under 077 ones that Asterisk,
    BIND and our own daemons may not pass through. Those above are 0755.

    Raises:
        OSError
    """
    missing = []
    for part in (path, *path.parents):
        if part.is_dir():
            break
        missing.append(part)
    for part in reversed(missing):
        wanted = mode if part == path else 0o755
        try:
            part.mkdir(mode=wanted)
        except FileExistsError:
            if not part.is_dir():
                raise
            continue
        part.chmod(wanted)


def own_directory(path: Path, mode: int = 0o755) -> None:
    """`make_directory` for one that is ours alone: where it is there, ours, and open to everybody, it is closed.

    An empty one is given its mode again: a run may have been killed before that. A directory with the sticky bit,
    such as /tmp, is somebody else's choice and stays.

    Raises:
        OSError
    """
    make_directory(path, mode)
    state = path.stat()
    before = stat.S_IMODE(state.st_mode)
    if state.st_uid != os.geteuid() or before & stat.S_ISVTX:
        return
    wanted = (mode if not any(path.iterdir()) else before) & ~stat.S_IWOTH
    if wanted != before:
        path.chmod(wanted)


def replace_file(path: Path, data: bytes, *, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Makes `path` hold `data`, by one rename(2) after an fsync; a reader sees the old bytes or the new ones.

    Args:
        path: file to replace; a symbolic link is replaced itself, not followed.
        data: all of its bytes.
        mode: permission bits, set before the data is written, so that a secret is never readable meanwhile.
        owner: (uid, gid), -1 for "as is"; None leaves the file to this process's user.

    Raises:
        OSError: nothing was changed, and nothing is left beside the file.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.{os.getpid()}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(name, path)  # noqa: PTH104 - one rename(2), said as such
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def swap_symlink(link: Path, target: str) -> None:
    """Makes `link` point to `target`, by one rename(2).

    Args:
        link: symbolic link, or nothing yet.
        target: text of the link; relative to the link's directory unless absolute.

    Raises:
        IsADirectoryError: `link` is a real directory; it is left alone.
        OSError
    """
    if link.is_dir() and not link.is_symlink():
        raise IsADirectoryError(f"{link} is a directory, not a symbolic link")
    fresh = link.parent / f".{link.name}.{os.getpid()}.new"
    fresh.unlink(missing_ok=True)
    try:
        fresh.symlink_to(target)
        os.rename(fresh, link)  # noqa: PTH104 - one rename(2), said as such
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    fsync_directory(link.parent)


def sweep(directory: Path, name: str = "*") -> None:
    """Removes what processes that were killed left beside a file or link while they replaced it; never fails.

    What a process that still lives is writing stays.

    Args:
        directory: where the file is.
        name: of the file or link; a pattern of fnmatch(3).
    """
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            found = _UNFINISHED.fullmatch(path.name)
            if found is None or not fnmatch.fnmatchcase(found["name"], name):
                continue
            if not _lives(int(found["process"])):
                path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
