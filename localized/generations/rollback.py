"""Where a rollback goes: to the generation before; or on, where one was cut short behind its swap.

The swap makes the two change places, so the same command typed again would otherwise go back to what was left.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from host.atomic import own_directory, replace_file
from host.file_reading import read_file
from host.places import Places
from localized.errors import NotActivatable, NotWritable
from localized.generations.generation import Generation
from localized.generations.store import GenerationStore


def note_file(places: Places) -> Path:
    """Where the target of a rollback is kept until an activation is complete."""
    return places.state / "localized-rollback"


class Rollback:
    """One rollback, from its decision to its end, over as many runs as it takes."""

    def __init__(self, places: Places) -> None:
        """Nothing is read yet."""
        self._file = note_file(places)
        self._store = GenerationStore(places)

    def target(self) -> Generation:
        """The generation to activate.

        Raises:
            NotActivatable: there is none.
        """
        active = self._store.pointed_to("current")
        if active is not None and active.name == self._noted():
            return active
        before = self._store.pointed_to("previous")
        if before is None:
            raise NotActivatable(
                "There is no previous generation to go back to. Type: render-localized --role standby --activate"
            )
        return before

    def begin(self, target: Generation) -> None:
        """Writes down where to, before the swap.

        Raises:
            NotWritable
        """
        try:
            own_directory(self._file.parent)
            replace_file(self._file, f"{target.name}\n".encode())
        except OSError as error:
            raise NotWritable(
                f"{self._file} cannot be written: {error.strerror or error}. The active generation is untouched."
            ) from None

    def end(self) -> None:
        """An activation is complete, this one or another: the next rollback is a new one."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _noted(self) -> str | None:
        try:
            return read_file(self._file).decode("utf-8", "replace").strip()
        except OSError:
            return None
