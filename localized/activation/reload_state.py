"""Which generation Asterisk has certainly read, and so what must be reloaded for another one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from host.atomic import own_directory, replace_file
from host.file_reading import MISREAD, read_json
from host.places import Places
from localized.asterisk.configuration import LocalDisk, read_conf
from localized.asterisk.include_paths import below
from localized.errors import NotWritable
from localized.generations.generation import Generation
from localized.generations.store import GenerationStore
from pair import Asterisk

MODULES: Final[Mapping[str, str]] = {"sip": "chan_sip.so", "iax2": "chan_iax2.so", "pjsip": "res_pjsip.so"}
"""Channel -> the module whose reload reads its registrations. res_pjsip.so reads auth objects as well."""
CHANNEL_OF: Final[Mapping[str, str]] = {module: channel for channel, module in MODULES.items()}


def reload_state_file(places: Places) -> Path:
    """Where the record of it is kept."""
    return places.state / "localized-loaded.json"


class ReloadState:
    """The record of it, in the state directory; forgotten before each swap, so that a kill leaves it unknown.

    It holds for one swap alone: whoever swaps without Asterisk (a machine that starts, a demotion while Asterisk is
    down) has it read something else at its next start, and need not know of this.
    """

    def __init__(self, places: Places) -> None:
        """Nothing is read yet."""
        self._file = reload_state_file(places)
        self._link = places.localized / "current"

    def name(self) -> str | None:
        """Name of the generation; None where it is not certain."""
        return self._recorded()[0]

    def changed(self, read: Mapping[str, str]) -> list[str]:
        """Modules whose own files, the admin's, are not those that Asterisk has read.

        Args:
            read: what `files_read` says now.
        """
        before = self._recorded()[1]
        return sorted(module for module, digest in read.items() if before.get(module, digest) != digest)

    def refused(self) -> list[str]:
        """Modules of which Asterisk refused a file when it was last asked to read them."""
        try:
            return [str(one) for one in read_json(self._file).get("refused", [])]
        except (OSError, AttributeError, *MISREAD):
            return []

    def note_refused(self, files: Iterable[str]) -> None:
        """Asterisk has refused these files, by name."""
        names = {Path(one).name for one in files}
        modules = sorted(module for module, own in _OWN_FILES.items() if names & set(own))
        with contextlib.suppress(OSError):
            replace_file(self._file, json.dumps({"refused": modules}).encode() + b"\n")

    def _recorded(self) -> tuple[str | None, Mapping[str, str]]:
        try:
            recorded = read_json(self._file)
            if recorded["swapped_ns"] != self._link.lstat().st_mtime_ns:
                return None, {}
            return str(recorded["generation"]), {
                str(key): str(value) for key, value in recorded.get("read", {}).items()
            }
        except (OSError, AttributeError, *MISREAD):
            return None, {}

    def forget(self) -> None:
        """From now on it is not certain.

        Raises:
            NotWritable
        """
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            raise NotWritable(
                f"{self._file} cannot be removed: {error.strerror}. The active generation is untouched."
            ) from None

    def remember(self, generation: Generation, read: Mapping[str, str] | None = None) -> None:
        """Asterisk's lists have shown that it has read this one.

        Args:
            read: what `files_read` said before it read them.
        """
        try:
            own_directory(self._file.parent)
            recorded = {
                "generation": generation.name,
                "swapped_ns": self._link.lstat().st_mtime_ns,
                "read": dict(read or {}),
            }
            replace_file(self._file, json.dumps(recorded).encode() + b"\n")
        except OSError:
            # Not known is the safe side: the next run reloads everything.
            return


_OWN_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "chan_sip.so": ("sip.conf", "users.conf"),
    "chan_iax2.so": ("iax.conf", "users.conf"),
    "res_pjsip.so": ("pjsip.conf", "pjsip_wizard.conf"),
    "pbx_config.so": ("extensions.conf",),
}
"""Files that lead each module to ours: mended ones are read again, or a reload would be wanted for ever."""


def files_read(asterisk: Asterisk, current: Path) -> dict[str, str]:
    """A digest of the state of each module's own configuration files, with all that they include but ours.

    Not of their bytes: a file that could not be read, and now can, has changed as well.
    """
    disk = LocalDisk()
    found = {}
    for module, names in _OWN_FILES.items():
        summed = hashlib.sha256()
        for name in names:
            conf = read_conf(name, asterisk.config_dir, disk)
            paths = [f"{asterisk.config_dir}/{name}", *(one.path for one in (conf.includes if conf else ()))]
            for path in paths:
                if not below(path, current):
                    summed.update(f"{path}\0{_state(path)}\0".encode("utf-8", "surrogateescape"))
        found[module] = summed.hexdigest()
    return found


def _state(path: str) -> str:
    try:
        stat = os.stat(path)  # noqa: PTH116 - a path as it is written
    except OSError as error:
        return str(error.errno)
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def touch_own(asterisk: Asterisk, modules: Iterable[str]) -> None:
    """Makes Asterisk read the admin's own files of these modules again: their mtime alone changes.

    Of a file that it could not open it forgets what it includes, and remembers the stat (main/config.c,
    config_text_file_load): once it can be opened again it counts as unchanged, whatever is done to ours.
    """
    for name in sorted({name for module in modules for name in _OWN_FILES.get(module, ())}):
        with contextlib.suppress(OSError):
            os.utime(Path(asterisk.config_dir) / name)


def modules_to_reload(
    store: GenerationStore, loaded: ReloadState, target: Generation, read: Mapping[str, str] | None = None
) -> list[str]:
    """Modules whose files differ from what Asterisk has read for certain; all of them where that is not known.

    Args:
        read: what `files_read` says now.
    """
    files = target.files()
    before = next((found for found in store.all() if found.name == loaded.name()), None)
    loaded_files = before.files() if before is not None else {}
    changed = {
        file["reload"]
        for path, file in files.items()
        if file["reload"] and (path not in loaded_files or loaded_files[path]["sha256"] != file["sha256"])
    }
    changed |= {file["reload"] for path, file in loaded_files.items() if file["reload"] and path not in files}
    of_files = {file["reload"] for file in files.values()}
    return sorted(changed | (set(loaded.changed(read or {})) & of_files))


def in_order(modules: Iterable[str], channels: Collection[str]) -> tuple[list[str], list[str]]:
    """The modules that register something over `channels`, and the rest.

    The slowest comes first: PJSIP lets a second pass before it sends anything (res_pjsip_outbound_registration.c,
    schedule_registration), chan_sip 0.2 s and 0.1 s more for each (sip_send_all_registers), IAX2 none.
    """
    waiting = [module for module in modules if CHANNEL_OF.get(module) in channels]
    slowest = [MODULES["pjsip"], MODULES["sip"]]
    first = sorted(waiting, key=lambda module: slowest.index(module) if module in slowest else len(slowest))
    return first, [module for module in modules if module not in waiting]


def touch(store: GenerationStore, generation: Generation, modules: Iterable[str]) -> None:
    """Asterisk remembers the stat of a file whose load failed: only a new mtime makes it read that file again."""
    wanted_by = set(modules)
    store.touch(generation, [path for path, file in generation.files().items() if file["reload"] in wanted_by])


def forget_reload_state(places: Places) -> None:
    """For whoever swaps and reloads without `activate`: the next activation reloads every module.

    Raises:
        NotWritable
    """
    ReloadState(places).forget()
