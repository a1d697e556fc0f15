"""One rendered set on disk, complete, with the manifest that says what it holds and what it was made from."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from host.file_reading import MISREAD, read_json
from localized.errors import NotWritable
from localized.role import Role

MANIFEST: Final = "manifest.json"
MASKED: Final = ".masked"
"""Directory of a generation that holds its secret files with their secrets masked, for `--diff`."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete set of files on disk."""

    path: Path
    number: int
    role: Role
    digest: str

    @property
    def name(self) -> str:
        """Its directory's name."""
        return self.path.name

    def manifest(self) -> dict[str, Any]:
        """What it holds and what it was made from.

        Raises:
            NotWritable: it was damaged by hand.
        """
        try:
            read: dict[str, Any] = read_json(self.path / MANIFEST)
            for file in read["files"]:
                if not all(isinstance(file[key], str) for key in ("path", "sha256")) or "reload" not in file:
                    raise ValueError("a file of it is not told whole")
        except (OSError, *MISREAD) as error:
            raise NotWritable(
                f"{self.path / MANIFEST} cannot be read ({error}): the generation was changed by hand. "
                "Render anew with: render-localized --role " + self.role.value
            ) from None
        return read

    def files(self) -> dict[str, dict[str, Any]]:
        """Path -> what the manifest says of it."""
        return {file["path"]: file for file in self.manifest()["files"]}

    def modules(self) -> set[str]:
        """The Asterisk modules that read its files."""
        return {file["reload"] for file in self.files().values() if file["reload"]}

    def shown(self, path: str) -> bytes:
        """A file for people's eyes: secrets masked; empty where it does not exist."""
        hidden = self.path / MASKED / path
        with contextlib.suppress(OSError):
            return (hidden if hidden.exists() else self.path / path).read_bytes()
        return b""
