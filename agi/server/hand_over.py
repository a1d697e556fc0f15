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
import fcntl
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agi.protocol.errors import AgiError
from agi.server.descriptors import DescriptorCloser

WORD: Final = b"hotstandby-agi-1"
"""First in the packet; another number when the agreement changes."""

HANGUP: Final = b"H"
"""What a launcher says when it got SIGHUP."""

_LARGEST: Final = 256 * 1024
_MOST_DESCRIPTORS: Final = 253
"""Of one packet (SCM_MAX_FD, include/net/scm.h). Room for all of them: what has none is closed by the kernel, here and
now, however long that takes."""
_ROOM: Final = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
_DIRECTIONS: Final = ((os.O_RDONLY, os.O_RDWR), (os.O_WRONLY, os.O_RDWR))


class HandoverRefused(AgiError):
    """What came over the hand-over socket is no launcher's packet."""


@dataclass(frozen=True, slots=True)
class HandedOverCall:
    """A plain AGI process that was handed over.

    Attributes:
        script: the launcher's file name, without .py.
        arguments: as the process got them.
        read_fd, write_fd: its descriptors 0 and 1, pipes, now ours as well.
    """

    script: str
    arguments: tuple[str, ...]
    read_fd: int
    write_fd: int


def receive_call(control: socket.socket, closer: DescriptorCloser) -> HandedOverCall | None:
    """The packet of a launcher that connected; None when it went away without one.

    Args:
        closer: gets all descriptors that came and are not handed on, whatever went wrong.

    Raises:
        HandoverRefused
        BlockingIOError: it has not come yet.
    """
    try:
        data, descriptors, whole = _received(control)
    except ConnectionError:
        return None
    handed = None
    try:
        if data or descriptors:
            handed = _handed(data, descriptors, whole=whole)
        return handed
    finally:
        if handed is None:
            closer.close(descriptors)


def read_notice(control: socket.socket, closer: DescriptorCloser) -> bytes:
    """What a launcher whose call is under way says: H, or nothing any more.

    Raises:
        BlockingIOError
    """
    try:
        data, descriptors, _ = _received(control)
    except ConnectionError:
        return b""
    closer.close(descriptors)
    return data[:1]


def _received(control: socket.socket) -> tuple[bytes, list[int], bool]:
    """One packet: its bytes, its descriptors, and whether it is all there."""
    data, ancillary, flags, _ = control.recvmsg(_LARGEST, _ROOM, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return data, list(descriptors), not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)


def _handed(data: bytes, descriptors: Sequence[int], *, whole: bool) -> HandedOverCall:
    word, *words = data.removesuffix(b"\0").split(b"\0")
    if word != WORD or not words or len(descriptors) != 2 or not whole:
        raise HandoverRefused(
            "A packet on the hand-over socket is not from our launcher. Type: agi-server install, to renew those in "
            "agi-bin."
        )
    if not all(_is_pipe(*one) for one in zip(descriptors, _DIRECTIONS, strict=True)):
        raise HandoverRefused(
            "What was handed over is no pair of pipes, so it is not from Asterisk; whoever sent it runs the script by "
            "itself. To try a script from a shell, type: agi-server try"
        )
    texts = [part.decode("utf-8", "surrogateescape") for part in words]
    return HandedOverCall(
        texts[0].rpartition("/")[2].removesuffix(".py"), tuple(texts[1:]), descriptors[0], descriptors[1]
    )


def _is_pipe(descriptor: int, directions: tuple[int, int]) -> bool:
    """Whether it is an end of a pipe(2). Asks memory alone: fstat(2) of a file can take as long as its server likes."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
        access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        # A FIFO with a name has a file system behind it, which may be anybody's.
        return access in directions and os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:")  # noqa: PTH115
    except OSError:
        return False


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
