"""The agreement between a launcher in agi-bin and the server, over a Unix socket of packets (SOCK_SEQPACKET).

1. The launcher connects, and the server says `R`. A server that is frozen or dead does not: the launcher runs the
   script by itself, having handed out nothing.
2. The launcher sends one packet: the word below, its own file's name and its arguments, each ended by NUL; with it go
   its descriptors 0 and 1 (SCM_RIGHTS). It has read nothing.
3. The server answers `A` and the milliseconds that the launcher shall wait at most, or `B`: too busy, and the call
   goes on at once. It touches the descriptors after that alone, so a server that dies before has changed nothing, and
   the launcher still runs the script by itself.
4. The launcher sends `H` for every SIGHUP. It ends when the server says `F`, or is gone, or when its time is up; in
   that last case it writes the line `failure` to Asterisk, which ends the application whoever else holds the pipe
   (res/res_agi.c, run_agi).
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from dataclasses import dataclass
from typing import Final

from agi.errors import AgiError

WORD: Final = b"hotstandby-agi-1"
"""First in the packet; another number when the agreement changes."""

_LARGEST: Final = 256 * 1024


class HandoverRefused(AgiError):
    """What came over the hand-over socket is no launcher's packet."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A plain AGI process that was handed over.

    Attributes:
        script: the launcher's file name, without .py.
        arguments: as the process got them.
        read_fd, write_fd: its descriptors 0 and 1, now ours, non-blocking.
    """

    script: str
    arguments: tuple[str, ...]
    read_fd: int
    write_fd: int


def receive(control: socket.socket) -> Handed | None:
    """The packet of a launcher that connected; None when it went away without one.

    Raises:
        HandoverRefused: all descriptors that came with it are closed again.
        BlockingIOError: it has not come yet.
    """
    descriptors = array.array("i")
    try:
        data, ancillary, flags, _ = control.recvmsg(_LARGEST, socket.CMSG_SPACE(8 * descriptors.itemsize))
    except ConnectionError:
        return None
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if not data and not descriptors:
        return None
    word, *words = data.removesuffix(b"\0").split(b"\0")
    if word != WORD or not words or len(descriptors) != 2 or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for descriptor in descriptors:
            os.close(descriptor)
        raise HandoverRefused(
            "A packet on the hand-over socket is not from our launcher. Type: agi-server install, to renew those in "
            "agi-bin."
        )
    texts = [part.decode("utf-8", "surrogateescape") for part in words]
    for descriptor in descriptors:
        os.set_blocking(descriptor, False)
    return Handed(texts[0].rpartition("/")[2].removesuffix(".py"), tuple(texts[1:]), descriptors[0], descriptors[1])


def greet(control: socket.socket) -> None:
    """Tells the launcher that somebody is here."""
    with contextlib.suppress(OSError):
        control.send(b"R")


def accept(control: socket.socket, deadline_s: float) -> bool:
    """Tells the launcher that the call is ours; False when it has gone on by itself."""
    try:
        control.send(b"A%d" % int(deadline_s * 1000))
    except OSError:
        return False
    return True


def refuse(control: socket.socket) -> None:
    """Tells the launcher that the call goes on without us."""
    with contextlib.suppress(OSError):
        control.send(b"B")


def listen(path: str, *, mode: int = 0o660, group: int | None = None) -> socket.socket:
    """A listening hand-over socket at `path`; what a dead server left there is replaced.

    Raises:
        OSError
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - str in, as bind wants it
        old = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(old)
        if group is not None:
            os.chown(path, -1, group)
        os.chmod(path, mode)  # noqa: PTH101
        listener.listen(512)
    except BaseException:
        listener.close()
        raise
    return listener
