"""Programs of this machine, run by a deadline."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from host.errors import HotstandbyError


class CommandMissing(HotstandbyError):
    """The program is not installed, or may not be run."""


class CommandTalkative(HotstandbyError):
    """The program wrote more than is kept; it and all that it started were killed."""


class CommandLate(HotstandbyError):
    """The program did not end before its deadline; it and all that it started were killed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended by itself.

    Attributes:
        argv: what was run.
        returncode: exit code, negative for the signal that ended it.
        stdout, stderr: decoded as UTF-8, with replacement.
        seconds: how long it took.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


def run(
    argv: Sequence[str],
    *,
    deadline_s: float,
    input: bytes | None = None,  # noqa: A002 - subprocess's word for it
    env: Mapping[str, str] | None = None,
    most_bytes: int | None = None,
) -> Finished:
    """Runs a program without a shell, in a session of its own.

    Args:
        argv: program and arguments.
        deadline_s: seconds until it and its children are killed.
        input: bytes for its standard input; nothing by default, never this process's own.
        env: its whole environment; this process's by default.
        most_bytes: of stdout and stderr together, where another machine chooses what they are.

    Raises:
        CommandMissing, CommandLate, CommandTalkative
    """
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise CommandMissing(f"'{argv[0]}' was not found. Install it, or put it on the PATH of this command.") from None
    except OSError as error:
        raise CommandMissing(f"'{argv[0]}' cannot be run ({error.strerror}).") from None
    try:
        if most_bytes is None:
            stdout, stderr = process.communicate(input, timeout=deadline_s)
        else:
            stdout, stderr = _read(process, argv, started + deadline_s, most_bytes, input or b"")
    except subprocess.TimeoutExpired:
        raise CommandLate(f"'{shlex.join(argv)}' did not end within {deadline_s:g} s and was stopped.") from None
    finally:
        if process.returncode is None:
            _kill_session(process)
    return Finished(
        tuple(argv),
        process.returncode,
        stdout.decode(errors="replace"),
        stderr.decode(errors="replace"),
        time.monotonic() - started,
    )


def _read(
    process: subprocess.Popen[bytes], argv: Sequence[str], until: float, most_bytes: int, given: bytes
) -> tuple[bytes, bytes]:
    """Both outputs to their end, while `given` is written to the input as fast as it is taken.

    Raises:
        subprocess.TimeoutExpired, CommandTalkative
    """
    assert process.stdout is not None
    assert process.stderr is not None
    read: dict[int, bytearray] = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as waiting:
        for descriptor in read:
            waiting.register(descriptor, selectors.EVENT_READ)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            waiting.register(process.stdin, selectors.EVENT_WRITE)
        while waiting.get_map():
            ready = waiting.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(list(argv), 0)
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    given = _write(process, given)
                    if not given:
                        waiting.unregister(key.fileobj)
                        process.stdin.close()
                    continue
                part = os.read(key.fd, 65536)
                read[key.fd] += part
                if not part:
                    waiting.unregister(key.fd)
            if sum(map(len, read.values())) > most_bytes:
                raise CommandTalkative(f"'{shlex.join(argv)}' wrote more than {most_bytes} bytes and was stopped.")
    process.wait(max(0.0, until - time.monotonic()))
    stdout, stderr = read.values()
    return bytes(stdout), bytes(stderr)


def _write(process: subprocess.Popen[bytes], given: bytes) -> bytes:
    """What is left to write; nothing where the program no longer reads."""
    assert process.stdin is not None
    try:
        return given[os.write(process.stdin.fileno(), given[:65536]) :] if given else b""
    except BrokenPipeError:
        return b""


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    # A grandchild that left the session may hold the pipes open for ever; they are not read again.
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()
