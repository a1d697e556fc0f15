"""What must be so on a machine at any moment, whoever was killed doing whatever.

`look` reads a machine's files once; the rest is said of what it found.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from localized.generations.generation import MANIFEST, MASKED

LOCALIZED: Final = "config/localized"
_GENERATION: Final = re.compile(LOCALIZED + r"/generations/(\d+-[a-z-]+-[0-9a-f]{12})/")
_UNFINISHED: Final = re.compile(r"\.\d+(\.\w{8})?\.new$")
_PART: Final = 6
"""Bytes of a secret in a row that give it away."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, link or directory; `data` is its content, its target, or nothing."""

    mode: int
    gid: int
    mtime_ns: int
    data: bytes


Look = Mapping[str, Entry]
Summary = Mapping[str, tuple[int, int, bytes]]


def look(directory: Path) -> Look:
    """Everything below a directory, by its path there."""
    found = {}
    start = len(str(directory)) + 1
    for at, names, files in os.walk(directory):
        for path in (at, *(f"{at}/{name}" for name in files), *(f"{at}/{name}" for name in names)):
            state = os.lstat(path)
            data = b""
            if stat.S_ISLNK(state.st_mode):
                data = os.fsencode(os.readlink(path))  # noqa: PTH115 - thousands of them
            elif stat.S_ISREG(state.st_mode):
                with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands of them
                    data = file.read()
            found[path[start:]] = Entry(state.st_mode, state.st_gid, state.st_mtime_ns, data)
    return found


def summary(found: Look) -> Summary:
    """Without what may differ from run to run: times, process ids."""
    return {
        _UNFINISHED.sub(".PROCESS.new", name): (
            entry.mode,
            entry.gid,
            _VOLATILE[name](entry.data) if name in _VOLATILE else entry.data,
        )
        for name, entry in found.items()
    }


def sound(found: Look, secrets: Sequence[str]) -> None:
    """Asserts that links resolve to complete generations, that none is incomplete, and that secrets are kept."""
    generations: dict[str, dict[str, Entry]] = {}
    for name, entry in found.items():
        if (inside := _GENERATION.match(name)) is not None:
            generations.setdefault(inside[1], {})[name[inside.end() :]] = entry
    for link in ("current", "current-dns", "previous"):
        if (pointing := found.get(f"{LOCALIZED}/{link}")) is not None:
            assert stat.S_ISLNK(pointing.mode)
            assert pointing.data.decode().removeprefix("generations/") in generations, f"{link} points to nothing whole"
    for name, entries in generations.items():
        complete(name, entries)
    if f"{LOCALIZED}/current" in found:
        for name in (LOCALIZED, f"{LOCALIZED}/generations"):
            assert found[name].mode & 0o055 == 0o055, f"{name} is closed to those who read current"
    unlike_each_other(generations)
    for name, entry in found.items():
        if stat.S_ISREG(entry.mode) and entry.mode & stat.S_IRWXO:
            assert not _tells(entry.data, tuple(secrets)), f"{name} lets everybody read a secret"


def complete(name: str, entries: Mapping[str, Entry]) -> None:
    """Asserts that a generation is what its manifest says, and nothing else."""
    assert MANIFEST in entries, f"{name} has no manifest"
    told = {file["path"]: file for file in _parsed(entries[MANIFEST].data)["files"]}
    files = {path for path, entry in entries.items() if stat.S_ISREG(entry.mode)}
    masked = {path.removeprefix(f"{MASKED}/") for path in files if path.startswith(f"{MASKED}/")}
    assert {path for path in files if not path.startswith(f"{MASKED}/")} == {MANIFEST, *told}, name
    assert {path for path, file in told.items() if file["secret"]} == masked, name
    for path, file in told.items():
        entry = entries[path]
        assert (len(entry.data), f"{stat.S_IMODE(entry.mode):04o}") == (file["size"], file["mode"]), f"{name}/{path}"
        assert _digest(entry.data, path.startswith("asterisk/")) == file["sha256"], f"{name}/{path}"
    for path, entry in entries.items():
        if stat.S_ISDIR(entry.mode) and not path.startswith(MASKED):
            assert entry.mode & 0o055 == 0o055, f"{name}/{path} is closed to those who read its files"


def unlike_each_other(generations: Mapping[str, Mapping[str, Entry]]) -> None:
    """Asserts that Asterisk, which compares size and mtime alone, can tell each file from that of other generations."""
    seen = set()
    for name, entries in generations.items():
        for path, entry in entries.items():
            if path.startswith("asterisk/") and stat.S_ISREG(entry.mode):
                key = (path, len(entry.data), entry.mtime_ns)
                assert key not in seen, f"{name}/{path}"
                seen.add(key)


@cache
def _digest(data: bytes, has_first_line: bool) -> str:
    return hashlib.sha256(data.split(b"\n", 1)[1] if has_first_line else data).hexdigest()


@cache
def _tells(data: bytes, secrets: tuple[str, ...]) -> bool:
    parts = (secret[at : at + _PART] for secret in secrets for at in range(len(secret) - _PART + 1))
    return any(part.encode() in data for part in parts)


@cache
def _parsed(data: bytes) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(data)
    except ValueError:
        return {}
    return read


def _last_reason(data: bytes) -> bytes:
    """One line each time that the word was given, with the time; one that was cut short may stand before it."""
    lines = data.splitlines()
    return str(_parsed(lines[-1]).get("reason", data)).encode() if lines else data


_VOLATILE: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    # Who holds it, since when: of the process, not of the work.
    "run/render-localized.lock": lambda _: b"",
    "state/peer-is-down.log": _last_reason,
    # With the time of the swap.
    "state/localized-loaded.json": lambda data: str(_parsed(data).get("generation", "")).encode(),
}
