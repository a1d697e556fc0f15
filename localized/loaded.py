"""Which generation Asterisk has certainly read, and so what must be reloaded for another one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from host.atomic import own_directory, replace_file
from host.places import Places
from host.reading import MISREAD, read_json
from localized.errors import NotWritable
from localized.generations import Generation, Store

MODULES: Final[Mapping[str, str]] = {"sip": "chan_sip.so", "iax2": "chan_iax2.so", "pjsip": "res_pjsip.so"}
"""Channel -> the module whose reload reads its registrations. res_pjsip.so reads auth objects as well."""
CHANNEL_OF: Final[Mapping[str, str]] = {module: channel for channel, module in MODULES.items()}


def loaded_file(places: Places) -> Path:
    """Where the record of it is kept."""
    return places.state / "localized-loaded.json"


class Loaded:
    """The record of it, in the state directory; forgotten before each swap, so that a kill leaves it unknown.

    It holds for one swap alone: whoever swaps without Asterisk (a machine that starts, a demotion while Asterisk is
    down) has it read something else at its next start, and need not know of this.
    """

    def __init__(self, places: Places) -> None:
        """Nothing is read yet."""
        self._file = loaded_file(places)
        self._link = places.localized / "current"

    def name(self) -> str | None:
        """Name of the generation; None where it is not certain."""
        try:
            told = read_json(self._file)
            return str(told["generation"]) if told["swapped_ns"] == self._link.lstat().st_mtime_ns else None
        except (OSError, *MISREAD):
            return None

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

    def remember(self, generation: Generation) -> None:
        """Asterisk's lists have shown that it has read this one."""
        try:
            own_directory(self._file.parent)
            told = {"generation": generation.name, "swapped_ns": self._link.lstat().st_mtime_ns}
            replace_file(self._file, json.dumps(told).encode() + b"\n")
        except OSError:
            # Not known is the safe side: the next run reloads everything.
            return


def modules_to_reload(store: Store, loaded: Loaded, target: Generation) -> list[str]:
    """Modules whose files differ from what Asterisk has read for certain; all of them where that is not known."""
    files = target.files()
    before = next((found for found in store.all() if found.name == loaded.name()), None)
    read = before.files() if before is not None else {}
    changed = {
        file["reload"]
        for path, file in files.items()
        if file["reload"] and (path not in read or read[path]["sha256"] != file["sha256"])
    }
    changed |= {file["reload"] for path, file in read.items() if file["reload"] and path not in files}
    return sorted(changed)


def in_order(modules: Iterable[str], channels: Collection[str]) -> tuple[list[str], list[str]]:
    """The modules that register something over `channels`, and the rest.

    The slowest comes first: PJSIP lets a second pass before it sends anything (res_pjsip_outbound_registration.c,
    schedule_registration), chan_sip 0.2 s and 0.1 s more for each (sip_send_all_registers), IAX2 none.
    """
    waiting = [module for module in modules if CHANNEL_OF.get(module) in channels]
    slowest = [MODULES["pjsip"], MODULES["sip"]]
    first = sorted(waiting, key=lambda module: slowest.index(module) if module in slowest else len(slowest))
    return first, [module for module in modules if module not in waiting]


def touch(store: Store, generation: Generation, modules: Iterable[str]) -> None:
    """Asterisk remembers the stat of a file whose load failed: only a new mtime makes it read that file again."""
    wanted_by = set(modules)
    store.touch(generation, [path for path, file in generation.files().items() if file["reload"] in wanted_by])


def forget_loaded(places: Places) -> None:
    """For whoever swaps and reloads without `activate`: the next activation reloads every module.

    Raises:
        NotWritable
    """
    Loaded(places).forget()
