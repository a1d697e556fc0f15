"""One reader of what somebody else wrote: how it is called, what is genuine, and the errors that it documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from failover.context import Context
from host.places import Places
from localized.activation import reload_state
from localized.generations import generation, store
from localized.role import Role
from pair import parse
from tests.pair.example import EXAMPLE

PAIR: Final = parse(EXAMPLE.encode(), Path("pair.toml"))


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        name: for people.
        module: where it is.
        read: takes the bytes, and a directory of its own for a file.
        seeds: genuine inputs.
        errors: what it documents.
    """

    name: str
    module: ModuleType
    read: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]
    errors: tuple[type[BaseException], ...] = ()

    def take(self, data: bytes, directory: Path) -> None:
        """Reads once; a documented error is an answer as well."""
        try:
            self.read(data, directory)
        except self.errors:
            return


def text(function: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """A reader of text that was decoded as ours is: what is not UTF-8 was replaced before."""
    return lambda data, _: function(data.decode("utf-8", "replace"))


def whole(function: Callable[[bytes], object]) -> Callable[[bytes, Path], object]:
    """A reader of bytes."""
    return lambda data, _: function(data)


def context(directory: Path) -> Context:
    """dallas, whose files lie in `directory`."""
    return Context(places(directory), PAIR, "dallas")


def places(directory: Path) -> Places:
    """All three places in one directory."""
    return Places(directory, directory, directory)


def filed(name: str, function: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """A reader of a file of that name, which is given its directory."""

    def read(data: bytes, directory: Path) -> object:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return function(directory)

    return read


def read_manifest(data: bytes, directory: Path) -> object:
    path = directory / "generations" / "1-standby-0123456789ab"
    path.mkdir(parents=True, exist_ok=True)
    (path / "manifest.json").write_bytes(data)
    link = directory / "current"
    if not link.is_symlink():
        link.symlink_to("generations/1-standby-0123456789ab")
    found = generation.Generation(path, 1, Role.STANDBY, "0123456789ab")
    made = store.GenerationStore(Places(directory, directory, directory))
    return found.files(), reload_state.modules_to_reload(made, reload_state.ReloadState(places(directory)), found)


def shipped_preset(name: str) -> bytes:
    import templates

    return (Path(templates.__file__).parent / "carriers" / f"{name}.toml").read_bytes()


RIGHT: Final = json.dumps(
    {"machine": "dallas", "epoch": 7, "boot_id": "x", "deadline_boottime": 1e5, "reason": "promote"}
).encode()


MANIFEST: Final = (
    b'{"generation": 1, "role": "standby", "files": [{"path": "asterisk/a.conf", "sha256": "x", "reload": null}]}'
)
