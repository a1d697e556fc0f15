"""Asterisk's side of AGI for tests: agi.fake_asterisk over a process's pipes or a FastAGI connection."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agi.fake_asterisk import FakeAsterisk, environment, serve_session
from agi.server import standalone

Answer = Callable[[str], str | None]


@dataclass
class AgiRun:
    """One session, seen from Asterisk.

    Attributes:
        far: what the fake Asterisk remembers.
        dialogue: commands with their replies.
        ended: whether the other side ended the session.
        seconds: how long it took.
        returncode: of the process; None for FastAGI.
    """

    far: FakeAsterisk = field(default_factory=FakeAsterisk)
    dialogue: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False
    seconds: float = 0.0
    returncode: int | None = None

    @property
    def variables(self) -> dict[str, str]:
        return self.far.variables

    @property
    def commands(self) -> list[str]:
        return [command for command, _ in self.dialogue]


def fastagi(
    port: int,
    script: str = "hello",
    arguments: tuple[str, ...] = (),
    *,
    first: bytes | None = None,
    answer: Answer | None = None,
    deadline_s: float = 60.0,
    **fields: str,
) -> AgiRun:
    """`AGI(agi://127.0.0.1:port/script,arguments…)`; `first` is sent in place of the environment."""
    happened = AgiRun()
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=deadline_s) as connection:
        connection.settimeout(None)
        happened.ended = serve_session(
            connection.fileno(),
            connection.fileno(),
            environment(script, arguments, network=True, **fields) if first is None else first,
            answer or happened.far.answer,
            deadline_s=deadline_s,
            heard=lambda command, reply: happened.dialogue.append((command, reply)),
        )
    happened.seconds = time.monotonic() - begun
    return happened


def process(
    argv: Sequence[str | Path],
    *,
    first: bytes | None = None,
    answer: Answer | None = None,
    hangup_at: str | None = None,
    during: Callable[[str], None] = lambda _command: None,
    deadline_s: float = 60.0,
    env: Mapping[str, str] | None = None,
    **fields: str,
) -> AgiRun:
    """`AGI(script.py,arguments…)`: starts argv[0] with the rest as arguments.

    Args:
        hangup_at: the caller hangs up, with SIGHUP to the process, when a command begins so.
        during: called with each command before it is answered.
    """
    happened = AgiRun()
    begun = time.monotonic()
    words = [str(word) for word in argv]
    started = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, bufsize=0)
    assert started.stdin is not None
    assert started.stdout is not None

    def answered(command: str) -> str | None:
        during(command)
        if hangup_at is not None and command.startswith(hangup_at):
            happened.far.dead = True
            started.send_signal(signal.SIGHUP)
        return (answer or happened.far.answer)(command)

    try:
        happened.ended = serve_session(
            started.stdout.fileno(),
            started.stdin.fileno(),
            environment(Path(words[0]).stem, tuple(words[1:]), **fields) if first is None else first,  # type: ignore[arg-type]
            answered,
            deadline_s=deadline_s,
            heard=lambda command, reply: happened.dialogue.append((command, reply)),
        )
        happened.seconds = time.monotonic() - begun
        # As Asterisk: the replies' pipe stays open until the process has gone (waitpid).
        happened.returncode = started.wait(timeout=deadline_s)
    finally:
        if started.poll() is None:
            started.kill()
            started.wait()
        started.stdin.close()
        started.stdout.close()
    return happened


def in_this_process(
    argv: Sequence[str],
    *,
    first: bytes | None = None,
    answer: Answer | None = None,
    hangup_at: str | None = None,
    held_s: float = 0.0,
    **fields: str,
) -> AgiRun:
    """What `python -m agi` does with `argv`, here and in the main thread, whose SIGHUP handler it replaces."""
    run = AgiRun()
    their_read, our_write = os.pipe()
    our_read, their_write = os.pipe()
    words = [word for word in argv[2:] if argv[0] == "--config"] or list(argv)

    def answered(command: str) -> str | None:
        if hangup_at is not None and command.startswith(hangup_at):
            run.far.dead = True
            os.kill(os.getpid(), signal.SIGHUP)
        return (answer or run.far.answer)(command)

    def asterisk() -> None:
        run.ended = serve_session(
            their_read,
            their_write,
            environment(Path(words[0]).stem, tuple(words[1:]), **fields) if first is None else first,  # type: ignore[arg-type]
            answered,
            deadline_s=60.0,
            heard=lambda command, reply: run.dialogue.append((command, reply)),
        )
        os.close(their_write)

    far = threading.Thread(target=asterisk, daemon=True)
    far.start()
    try:
        run.returncode = standalone.main(argv, our_read, our_write, held_s=held_s)
    finally:
        far.join(60)
        os.close(their_read)
    return run


def readable(descriptor: int) -> bytes:
    """Whatever is there now."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""
