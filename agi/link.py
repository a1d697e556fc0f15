"""The two descriptors that lead to one call, and how to let go of them.

FastAGI is one socket. A plain AGI process has two pipes, and its launcher handed both over; the launcher lives on,
told by a control socket when it may go. What differs between the two is here and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Protocol


class Link(Protocol):
    """Where a session's bytes come from and go to.

    Attributes:
        way: "fastagi" or "handover", for logs and metrics.
        speaks_first: whether our first command may be on its way before the environment has arrived.
        read_fd, write_fd: non-blocking.
    """

    way: str
    speaks_first: bool
    read_fd: int
    write_fd: int

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


class SocketLink:
    """A FastAGI connection."""

    way = "fastagi"
    # Asterisk sends an environment line by line, and Nagle's algorithm holds each line until the one before it is
    # acknowledged. A socket that has spoken already delays its acknowledgements: 40 ms for every call.
    speaks_first = False

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.read_fd = self.write_fd = connection.fileno()

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


class PipesLink:
    """The pipes of a plain AGI process, and the control socket to its launcher."""

    way = "handover"
    speaks_first = True

    def __init__(self, read_fd: int, write_fd: int, control: socket.socket) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.control = control
        self._writable = True

    def send_last(self, data: bytes) -> int:
        return os.write(self.write_fd, data)

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
        self.control.close()

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            self.control.send(b"F")
