"""`render-localized` in a forked child: as separate as a process, without the time that imports take; and mortal.

`run` lets it come to its end. `run_watched` has the kernel tell each change that it makes, and can kill it there.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Final
from unittest import mock

from host.places import Places
from localized.command import main
from tests.localized import kernel
from tests.localized.example import environment
from tests.localized.kernel import Change, Point

UMASK: Final = 0o077
"""A hardened machine's: what must be readable by others is so only where that was asked for."""


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended.

    Attributes:
        returncode: exit code, or minus the signal.
        changes: those it came to, where it was watched.
    """

    returncode: int
    stdout: str
    stderr: str
    changes: tuple[Change, ...] = ()


def run(places: Places, arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> Done:
    """Runs the command to its end."""
    return _run(places, arguments, env, None)


def run_watched(
    places: Places,
    arguments: Sequence[str],
    *,
    kill_at: Point | None = None,
    env: Mapping[str, str] | None = None,
    outward: bool = False,
) -> Done:
    """Runs the command to its end, or to a point; its changes below the directory of `places` are told.

    With `outward`, programs that it starts and what it sends are told as well.

    Raises:
        OSError: this kernel does not allow it (kernel.why_not).
    """
    return _run(
        places,
        arguments,
        env,
        lambda child, connection: kernel.watch(child, connection, places.config.parent, kill_at, outward=outward),
    )


def run_here(places: Places, arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> Done:
    """Runs the command in this very process, which saves the fork's time where it need not die."""
    said, failed, before = io.StringIO(), io.StringIO(), os.umask(UMASK)
    try:
        with redirect_stdout(said), redirect_stderr(failed), mock.patch.dict(os.environ, environment(places)):
            os.environ.update(env or {})
            with mock.patch("sys.argv", _argv(places, arguments)):
                main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os.umask(before)
    return Done(code, said.getvalue(), failed.getvalue())


def _argv(places: Places, arguments: Sequence[str]) -> list[str]:
    return ["render-localized", *arguments, "--hosts-file", str(places.config.parent / "hosts")]


def _run(
    places: Places,
    arguments: Sequence[str],
    env: Mapping[str, str] | None,
    watch: Callable[[int, socket.socket], list[Change]] | None,
) -> Done:
    ends = [os.memfd_create(name) for name in ("stdout", "stderr")]
    changes: list[Change] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            _live(places, arguments, {**environment(places), **(env or {})}, ends, theirs if watch else None)
        theirs.close()
        if watch is not None:
            changes = watch(child, ours)
        _, status = os.waitpid(child, 0)
    stdout, stderr = (_all_of(end) for end in ends)
    return Done(os.waitstatus_to_exitcode(status), stdout, stderr, tuple(changes))


def _live(
    places: Places,
    arguments: Sequence[str],
    env: Mapping[str, str],
    ends: Sequence[int],
    watcher: socket.socket | None,
) -> None:
    code = 99
    try:
        os.dup2(ends[0], 1)
        os.dup2(ends[1], 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        os.environ.clear()
        os.environ.update(env)
        os.umask(UMASK)
        sys.argv = _argv(places, arguments)
        if watcher is not None:
            kernel.hold_me(watcher)
        main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _all_of(end: int) -> str:
    os.lseek(end, 0, os.SEEK_SET)
    with os.fdopen(end, "rb") as file:
        return file.read().decode()
