"""`render-localized` in a forked child: as separate as a process, without the time that imports take; and mortal.

The child can be killed before its nth change: an audit hook counts every file, directory, link or mode that is made,
changed or removed (PEP 578).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from host.places import Places
from localized.command import main
from tests.localized.example import environment

CHANGES: Final = frozenset(
    {"os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.utime", "os.truncate"}
)
WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended.

    Attributes:
        returncode: exit code, or minus the signal.
        changes: how many it made.
    """

    returncode: int
    stdout: str
    stderr: str
    changes: int


def run(places: Places, arguments: Sequence[str], *, kill_at: int = 0, env: Mapping[str, str] | None = None) -> Done:
    """Runs the command to its end, or to its `kill_at`th change."""
    ends = [os.memfd_create(name) for name in ("stdout", "stderr", "changes")]
    child = os.fork()
    if child == 0:
        _live(places, arguments, kill_at, {**environment(places), **(env or {})}, ends)
    _, status = os.waitpid(child, 0)
    stdout, stderr, changes = (_all_of(end) for end in ends)
    return Done(os.waitstatus_to_exitcode(status), stdout, stderr, int(changes or "0"))


def _live(places: Places, arguments: Sequence[str], kill_at: int, env: Mapping[str, str], ends: Sequence[int]) -> None:
    seen = 0

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & WRITES):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 99
    try:
        os.dup2(ends[0], 1)
        os.dup2(ends[1], 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["render-localized", *arguments, "--hosts-file", str(places.config.parent / "hosts")]
        sys.addaudithook(hook)
        main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(ends[2], str(seen).encode())
        os._exit(code)


def _all_of(end: int) -> str:
    os.lseek(end, 0, os.SEEK_SET)
    with os.fdopen(end, "rb") as file:
        return file.read().decode()
