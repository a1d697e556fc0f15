"""A call over real descriptors to the stand-in for Asterisk, in this process."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from agi.fake_asterisk import StandIn, converse, environment
from agi.protocol.call import Call
from agi.protocol.channel_io import Patient
from agi.protocol.environment import read_environment
from agi.server.descriptors import Descriptors


@dataclass
class Line:
    """A call and the far end of it."""

    call: Call
    talk: Patient
    far: StandIn
    commands: list[str] = field(default_factory=list)


@contextmanager
def on_the_line(
    answer: Callable[[str], str | None] | None = None, *, deadline_s: float = 5.0, rest: bytes = b""
) -> Iterator[Line]:
    """A call whose commands are answered by the stand-in, or by `answer`; what was kept back is sent at the end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    far = StandIn()
    talk = Patient(Descriptors(ours.fileno(), ours.fileno()), deadline=time.monotonic() + deadline_s, rest=rest)
    known = read_environment(environment("test", caller_number="555").removesuffix(b"\n"))
    line = Line(Call(known, talk, deadline=time.monotonic() + deadline_s), talk, far)

    def asterisk() -> None:
        converse(
            theirs.fileno(),
            theirs.fileno(),
            b"",
            answer or far.answer,
            deadline_s=deadline_s + 5,
            heard=lambda command, _: line.commands.append(command),
        )
        theirs.close()

    thread = threading.Thread(target=asterisk, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        with suppress(OSError):  # the far end may have gone: some tests want that
            os.write(ours.fileno(), b"".join(talk.kept))
            ours.shutdown(socket.SHUT_WR)
        thread.join(10)
        ours.close()
        assert not thread.is_alive()
