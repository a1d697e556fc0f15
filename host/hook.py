"""The admin's own programs that run when something happens: one directory an event, in order of their names."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from host.command import CommandLate, CommandMissing, run
from host.ownership import open_to_others
from host.printable import printable

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?")
"""As run-parts(8), with one extension allowed: an editor's backup (x~, x.sh.bak) never runs."""


@dataclass(frozen=True, slots=True)
class HookRun:
    """One program of a hook directory, after it ran.

    Attributes:
        path: the program.
        returncode: its exit code; None when it was late or could not be run.
        seconds: how long it took.
        said: why it failed: its last line on stderr (or stdout), or our words.
    """

    path: Path
    returncode: int | None
    seconds: float
    said: str

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself, with 0."""
        return self.returncode == 0


def programs(directory: Path) -> list[Path]:
    """The executables of `directory` that `run_parts` would run, in order; none where it is missing."""
    if not directory.is_dir():
        return []
    found = (path for path in directory.iterdir() if _NAME.fullmatch(path.name))
    return sorted(path for path in found if path.is_file() and os.access(path, os.X_OK))


def run_parts(directory: Path, *, env: Mapping[str, str], deadline_s: float) -> list[HookRun]:
    """Runs every executable of `directory` in order of its name; a failing one does not stop the next.

    Args:
        directory: it may be missing: then nothing runs.
        env: added to this process's environment.
        deadline_s: seconds for each program.
    """
    return [run_program(path, env=env, deadline_s=deadline_s) for path in programs(directory)]


def run_program(path: Path, *, env: Mapping[str, str], deadline_s: float) -> HookRun:
    """Runs one of them; one that others may write is not run, and `said` names the command that closes it.

    Args:
        env: added to this process's environment.
        deadline_s: seconds.
    """
    against = open_to_others(path)
    if against:
        return HookRun(path, None, 0.0, f"it was not run: {against}")
    started = time.monotonic()
    try:
        done = run([str(path)], deadline_s=deadline_s, env={**os.environ, **env})
    except (CommandLate, CommandMissing) as error:
        return HookRun(path, None, time.monotonic() - started, str(error))
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return HookRun(path, done.returncode, done.seconds, printable(lines[-1]) if lines else "")
