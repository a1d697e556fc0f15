"""A call over real descriptors to the fake Asterisk, in this process."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from agi.fake_asterisk import FakeAsterisk, environment, serve_session
from agi.protocol.call import Call
from agi.protocol.channel_io import BlockingIo
from agi.protocol.environment import read_environment
from agi.server.descriptors import OwnDescriptors


@dataclass
class Line:
    """A call and the far end of it."""

    call: Call
    io: BlockingIo
    far: FakeAsterisk
    commands: list[str] = field(default_factory=list)


@contextmanager
def open_call(
    answer: Callable[[str], str | None] | None = None, *, deadline_s: float = 5.0, rest: bytes = b""
) -> Iterator[Line]:
    """A call whose commands are answered by the fake Asterisk, or by `answer`; what was kept is sent at the end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    far = FakeAsterisk()
    io = BlockingIo(OwnDescriptors(ours.fileno(), ours.fileno()), deadline=time.monotonic() + deadline_s, rest=rest)
    known = read_environment(environment("test", caller_number="555").removesuffix(b"\n"))
    line = Line(Call(known, io, deadline=time.monotonic() + deadline_s), io, far)

    def asterisk() -> None:
        serve_session(
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
            os.write(ours.fileno(), b"".join(io.kept))
            ours.shutdown(socket.SHUT_WR)
        thread.join(10)
        ours.close()
        assert not thread.is_alive()
