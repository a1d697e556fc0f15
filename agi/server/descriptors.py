"""The two descriptors that lead to one call, and how to let go of them.

FastAGI is one socket. A plain AGI process has two pipes, and its launcher handed both over; the launcher lives on,
told by a control socket when it may go. What differs between the two is here and nowhere else.

Whoever handed pipes over holds them still, and O_NONBLOCK belongs to the pipe's open description, not to us: taken away
at the right moment, a plain read(2) or write(2) would wait as long as they like, and every other call with it. So the
bytes of such a pipe go through a pipe of our own by splice(2), whose SPLICE_F_NONBLOCK is the call's own. Closing can
wait as well (a socket with SO_LINGER, a file of a FUSE file system): what is not known to be a pipe is closed by
threads that do nothing else.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

_PIECE: Final = 32 * 1024
"""Bytes moved at once; half of what a pipe holds."""
_STUCK_S: Final = 1.0
"""A descriptor that takes this long to close takes as long as its owner likes."""
_MOST_CLOSING: Final = 8


class _OwnPipe:
    """A pipe whose two ends nobody else has; empty but for the moment of one call."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def __del__(self) -> None:
        for descriptor in (self.read_fd, self.write_fd):
            with contextlib.suppress(OSError):
                os.close(descriptor)


class _OfThisThread(threading.local):
    """One for each thread, gone with it."""

    def __init__(self) -> None:
        self.pipe = _OwnPipe()


_own = _OfThisThread()


class OwnDescriptors:
    """Two non-blocking descriptors that nobody else can make blocking: a process's own."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd

    def receive(self) -> bytes:
        """What is there now; b"" at the end.

        Raises:
            OSError: BlockingIOError when there is nothing now.
        """
        return os.read(self.read_fd, 2 * _PIECE)

    def send(self, data: bytes | memoryview) -> int:
        """Sends as much as goes; how much that was.

        Raises:
            OSError: BlockingIOError when nothing goes now.
        """
        return os.write(self.write_fd, data)


class SharedPipes(OwnDescriptors):
    """Two pipes that somebody else holds as well. No call ever waits, and the pipes' own flags stay as they are."""

    def receive(self) -> bytes:
        own = _own.pipe
        count = os.splice(self.read_fd, own.write_fd, _PIECE, flags=os.SPLICE_F_NONBLOCK)
        return os.read(own.read_fd, count) if count else b""

    def send(self, data: bytes | memoryview) -> int:
        own = _own.pipe
        left = offered = os.write(own.write_fd, data[:_PIECE])
        try:
            left -= os.splice(own.read_fd, self.write_fd, offered, flags=os.SPLICE_F_NONBLOCK)
        finally:
            if left:
                os.read(own.read_fd, left)
        return offered - left


class DescriptorCloser:
    """Closes what may take as long as its owner likes, in threads that do nothing else.

    One thread does it. Where that has waited for a second another one takes over, eight at most.
    """

    def __init__(self, *, close: Callable[[int], None] = os.close) -> None:
        self._close = close
        self._todo: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._begun: dict[int, float] = {}
        self._threads = 0

    @property
    def waiting(self) -> int:
        """How many descriptors are still to be closed."""
        return self._todo.qsize() + len(self._begun)

    def close(self, descriptors: Iterable[int]) -> None:
        """Has them closed. Never waits."""
        for descriptor in descriptors:
            self._todo.put(descriptor)
        stuck = sum(time.monotonic() - begun > _STUCK_S for begun in list(self._begun.values()))
        if self._threads - stuck < 1 and self._threads < _MOST_CLOSING:
            self._threads += 1
            threading.Thread(target=self._run, args=(self._threads,), name="closing", daemon=True).start()

    def end(self) -> None:
        """Its threads end with what there is to be closed now."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _run(self, number: int) -> None:
        while (descriptor := self._todo.get()) is not None:
            self._begun[number] = time.monotonic()
            with contextlib.suppress(OSError):
                self._close(descriptor)
            del self._begun[number]


class SessionTransport(Protocol):
    """Where a session's bytes come from and go to.

    Attributes:
        way: "fastagi" or "handover", for logs and metrics.
        speaks_first: whether our first command may be on its way before the environment has arrived.
        read_fd, write_fd: to wait for; what is read and written goes through `receive` and `send`.
    """

    way: str
    speaks_first: bool
    read_fd: int
    write_fd: int

    def receive(self) -> bytes:
        """See OwnDescriptors."""

    def send(self, data: bytes | memoryview) -> int:
        """See OwnDescriptors."""

    def send_last(self, data: bytes) -> int:
        """Sends as much as goes of the last commands; how much that was.

        Raises:
            OSError: BlockingIOError when nothing goes now.
        """

    def end_commands(self) -> None:
        """No more commands will come. Asterisk works off those that it has, and ends the application."""

    def cut(self) -> None:
        """Ends the session at once, from any thread, while another may still be reading or writing."""

    def close(self) -> None:
        """Lets go of everything."""


class FastAgiTransport:
    """A FastAGI connection."""

    way = "fastagi"
    # Asterisk sends an environment line by line, and Nagle's algorithm holds each line until the one before it is
    # acknowledged. A socket that has spoken already delays its acknowledgements: 40 ms for every call.
    speaks_first = False

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.read_fd = self.write_fd = connection.fileno()

    def receive(self) -> bytes:
        return self._socket.recv(2 * _PIECE)

    def send(self, data: bytes | memoryview) -> int:
        return self._socket.send(data)

    def send_last(self, data: bytes) -> int:
        # Held back for the end that follows, so that both travel in one segment.
        return self._socket.send(data, socket.MSG_MORE)

    def end_commands(self) -> None:
        # Closing at once would lose commands: the replies to them would meet a closed socket, and its RST would
        # throw away what Asterisk has not read yet.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()


class HandoverTransport(SharedPipes):
    """The pipes of a plain AGI process, and the control socket to its launcher."""

    way = "handover"
    speaks_first = True

    def __init__(self, read_fd: int, write_fd: int, control: socket.socket, closer: DescriptorCloser) -> None:
        super().__init__(read_fd, write_fd)
        self.control = control
        self._closer = closer
        self._writable = True

    def send_last(self, data: bytes) -> int:
        return self.send(data)

    def end_commands(self) -> None:
        # Asterisk sees the end when the last copy is closed, and the launcher holds one until it exits.
        if self._writable:
            self._writable = False
            os.close(self.write_fd)
            self._release()

    def cut(self) -> None:
        # The number stays taken, so that a thread that still uses it cannot reach somebody else's file.
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, self.read_fd, inheritable=False)
        if self._writable:
            os.dup2(null, self.write_fd, inheritable=False)
        os.close(null)
        self._release()

    def close(self) -> None:
        self.end_commands()
        os.close(self.read_fd)
        # In it may lie what its other side sent and nobody received, descriptors among it.
        self._closer.close([self.control.detach()])

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            self.control.send(b"F")
