"""Generations on disk: written whole, made active by one rename(2), pruned.

`localized/generations/N-ROLE-DIGEST/` holds one rendered set. It is built under a name that begins with a dot and
renamed when it is complete and on disk, so a directory without a dot is always whole. `current` (and `current-dns`)
point to the active one, `previous` to the one before it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from host.atomic import fsync_directory, make_directory, swap_symlink, sweep
from host.places import Places
from localized.errors import NotWritable
from localized.generations.files import group_id, on_disk, open_tree, put_file, stamp, write_new
from localized.generations.generation import MANIFEST, MASKED, Generation
from localized.render.rendered import FileOwner, Rendered, digest
from localized.role import Role

KEPT: Final = 2
"""Generations of each role that are kept besides the active ones."""
_PENDING: Final = ".previous-of-"
_NAME: Final = re.compile(r"(\d+)-(primary|standby|dns-primary|dns-secondary)-([0-9a-f]{12})")


class GenerationStore:
    """The generations of this machine."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.root = places.localized
        self.directory = places.localized / "generations"

    def all(self) -> list[Generation]:
        """Complete generations, oldest first."""
        found = []
        for path in self.directory.iterdir() if self.directory.is_dir() else ():
            name = _NAME.fullmatch(path.name)
            if name is not None and path.is_dir():
                found.append(Generation(path, int(name[1]), Role(name[2]), name[3]))
        return sorted(found, key=lambda generation: generation.number)

    def newest(self, role: Role) -> Generation | None:
        """The newest generation for a role."""
        return next((found for found in reversed(self.all()) if found.role is role), None)

    def pointed_to(self, link: str) -> Generation | None:
        """The generation that `current`, `current-dns` or `previous` points to; None where it points to none."""
        try:
            target = (self.root / link).readlink()
        except OSError:
            return None
        return next((found for found in self.all() if found.name == target.name), None)

    def write(
        self,
        role: Role,
        files: Sequence[Rendered],
        hidden: Sequence[Rendered],
        inputs: Mapping[str, Any],
        groups: Mapping[FileOwner, str],
    ) -> Generation:
        """Puts a rendered set on disk; the newest one of that role where it is the same already.

        Args:
            role: what it is for.
            files: from `render`.
            hidden: from `masked`.
            inputs: what it was made from, for the manifest.
            groups: which Unix group each owner is.

        Raises:
            NotWritable, NotRenderable
        """
        sum_ = digest(files)[:12]
        newest = self.newest(role)
        if newest is not None and newest.digest == sum_ and self._whole(newest, files):
            return newest
        number = max((found.number for found in self.all()), default=0) + 1
        final = self.directory / f"{number}-{role.value}-{sum_}"
        building = self.directory / f".{final.name}.new"
        try:
            open_tree(self.directory)
            self._sweep()
            make_directory(building)
            taken = self._stamps()
            listed = [put_file(building, file, number, role, groups, taken) for file in files]
            for file in hidden:
                if file.secret:
                    target = building / MASKED / file.path
                    make_directory(target.parent)
                    write_new(target, file.data, 0o640, None)
            manifest = {"generation": number, "role": role.value, **inputs, "files": listed}
            data = json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"
            write_new(building / MANIFEST, data, 0o640, group_id(groups[FileOwner.ASTERISK]))
            for directory, _, _ in os.walk(building):
                fsync_directory(Path(directory))
            building.rename(final)
            fsync_directory(self.directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                shutil.rmtree(building)
            raise NotWritable(
                f"The new generation cannot be written below {self.directory}: {error.strerror or error}. "
                "Nothing was changed. Look at the disk with: df -h " + str(self.root)
            ) from None
        return Generation(final, number, role, sum_)

    def activate(self, generation: Generation) -> bool:
        """Points `current` (or `current-dns`) to a generation by one rename(2); False where it does already.

        Raises:
            NotWritable: a directory is in the way, or the disk cannot be written.
        """
        link = self.root / generation.role.link
        target = f"generations/{generation.name}"
        before = self.pointed_to(generation.role.link)
        try:
            if link.is_dir() and not link.is_symlink():
                raise NotWritable(
                    f"{link} is a directory, not a symbolic link, so it cannot be swapped; nothing was changed. "
                    f"Look at what it holds, move it away, and try again: mv {link} {link}.by-hand"
                )
            if before is not None and before.name == generation.name:
                return False
            if before is None or generation.role.is_dns:
                swap_symlink(link, target)
                return True
            # Two links cannot move at once: what the previous one will be is written down first, under a name that
            # counts only once `current` has moved (`settle`).
            pending = self.root / f"{_PENDING}{generation.name}"
            swap_symlink(pending, f"generations/{before.name}")
            swap_symlink(link, target)
            with contextlib.suppress(FileNotFoundError):
                # `settle` of another process may have been quicker.
                pending.rename(self.root / "previous")
        except OSError as error:
            raise NotWritable(
                f"{link} cannot be swapped: {error.strerror or error}. The active generation is untouched."
            ) from None
        return True

    def settle(self) -> None:
        """Completes the bookkeeping of a swap that was killed just after, or just before, it was made.

        Raises:
            OSError
        """
        active = self.pointed_to("current")
        for path in self.root.glob(f"{_PENDING}*"):
            with contextlib.suppress(FileNotFoundError):
                if active is not None and path.name == f"{_PENDING}{active.name}":
                    path.rename(self.root / "previous")
                else:
                    path.unlink()
        sweep(self.root)

    def touch(self, generation: Generation, paths: Iterable[str]) -> None:
        """Gives files an mtime that no generation has: Asterisk compares size and mtime alone, and remembers them
        even of a load that failed (main/config.c, cfmstat_save)."""
        taken = self._stamps()
        for path in paths:
            file = generation.path / path
            with contextlib.suppress(OSError):
                stamp(file, path, taken, fresh=True)

    def prune(self) -> None:
        """Removes what is neither active nor among the newest; never fails."""
        linked = {found.name for link in ("current", "current-dns", "previous") if (found := self.pointed_to(link))}
        counts: dict[Role, int] = {}
        for found in reversed(self.all()):
            counts[found.role] = counts.get(found.role, 0) + 1
            if counts[found.role] > KEPT and found.name not in linked:
                with contextlib.suppress(OSError):
                    # Renamed first, so that a reader never meets half of a generation under its name.
                    doomed = found.path.rename(self.directory / f".{found.name}.old")
                    shutil.rmtree(doomed)
        with contextlib.suppress(OSError):
            self._sweep()

    def _sweep(self) -> None:
        for path in self.directory.glob(".*"):
            if path.name.endswith((".new", ".old")):
                shutil.rmtree(path, ignore_errors=True)

    def _stamps(self) -> set[tuple[str, int, int]]:
        found = set()
        for generation in self.all():
            for path in generation.path.rglob("*.conf"):
                with contextlib.suppress(OSError):
                    state = path.stat()
                    found.add((path.relative_to(generation.path).as_posix(), state.st_size, state.st_mtime_ns))
        return found

    def _whole(self, generation: Generation, files: Sequence[Rendered]) -> bool:
        try:
            return all(
                (generation.path / file.path).read_bytes() == on_disk(file, generation.number, generation.role)
                and (generation.path / file.path).stat().st_mode & 0o777 == file.mode
                for file in files
            )
        except OSError:
            return False
