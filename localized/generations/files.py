"""The files of a generation: written new and fsynced, with rights, and a size and mtime unlike any earlier one's."""

from __future__ import annotations

import grp
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host.atomic import make_directory
from localized.errors import NotRenderable
from localized.render.rendered import FileOwner, Rendered
from localized.role import Role


def open_tree(directory: Path) -> None:
    """Directories that every user may pass through, whatever the umask; the files in them say who may read."""
    for part in (directory.parent, directory):
        if not part.is_dir():
            make_directory(part)
        elif any(part.iterdir()):
            # An admin's own choice. An empty one may be of a run that was killed just before the next line.
            continue
        part.chmod(0o755)


def on_disk(file: Rendered, number: int, role: Role) -> bytes:
    """The file's bytes, with a comment that differs in every generation: so does Asterisk's view of it."""
    if not file.path.startswith("asterisk/"):
        return file.data
    return f"; hotstandby generation {number} ({role.value})\n".encode() + file.data


def put_file(
    building: Path,
    file: Rendered,
    number: int,
    role: Role,
    groups: Mapping[FileOwner, str],
    taken: set[tuple[str, int, int]],
) -> dict[str, Any]:
    target = building / file.path
    parent = building
    for part in Path(file.path).parent.parts:
        parent /= part
        make_directory(parent)
    group = None if file.owner is FileOwner.ROOT else groups[file.owner]
    write_new(target, on_disk(file, number, role), file.mode, group_id(group) if group and file.secret else None)
    stamp(target, file.path, taken, fresh=False)
    return {
        "path": file.path,
        "sha256": _sha256(file.data),
        "size": target.stat().st_size,
        "mode": f"{file.mode:04o}",
        "group": group or "root",
        "secret": file.secret,
        "reload": file.reload,
    }


def write_new(path: Path, data: bytes, mode: int, gid: int | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if gid is not None and os.geteuid() == 0:
            os.fchown(file.fileno(), 0, gid)
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def stamp(path: Path, name: str, taken: set[tuple[str, int, int]], *, fresh: bool) -> None:
    state = path.stat()
    mtime_ns = state.st_mtime_ns + (1 if fresh else 0)
    while (name, state.st_size, mtime_ns) in taken:
        mtime_ns += 1
    if mtime_ns != state.st_mtime_ns:
        os.utime(path, ns=(state.st_atime_ns, mtime_ns))
    taken.add((name, state.st_size, mtime_ns))


def group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise NotRenderable(
            f"There is no group '{group}' on this machine, so rendered secrets could not be given to those who read "
            "them. Install Asterisk (or name its group with asterisk.group in pair.toml), and BIND for the zones."
        ) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
