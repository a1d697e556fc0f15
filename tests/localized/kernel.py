"""What a process changes, as the kernel tells it before it happens; and the end of the process just there.

A seccomp filter (seccomp_unotify(2), Linux 5.5) holds the process at each system call that changes a file, a directory
or a link, starts a program or sends something. Nothing that it does to the disk is out of sight, whatever the language
or library that does it: `write` and `fsync` neither have a Python audit event nor a place that could be replaced.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import signal
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CALLS: Final[Mapping[str, tuple[int | None, int | None]]] = {
    "write": (1, 64),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "pwritev": (296, 70),
    "sendfile": (40, 71),
    "copy_file_range": (326, 285),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "fchmod": (91, 52),
    "fchown": (93, 55),
    "open": (2, None),
    "openat": (257, 56),
    "truncate": (76, 45),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "link": (86, None),
    "linkat": (265, 37),
    "chmod": (90, None),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "connect": (42, 203),
    "sendto": (44, 206),
    "vfork": (58, None),
    "clone": (56, 220),
}
"""System call -> its number on x86-64 and on 64-bit ARM."""

_MACHINES: Final = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
"""Machine -> column above, AUDIT_ARCH, and the number of seccomp(2)."""

_ON_DESCRIPTORS: Final = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range", "ftruncate", "fallocate", "fsync"}
    | {"fdatasync", "fchmod", "fchown"}
)
_FIRST_PATH: Final[Mapping[str, tuple[int, ...]]] = {
    "rename": (0, 1),
    "renameat": (1, 3),
    "renameat2": (1, 3),
    "symlink": (1,),
    "symlinkat": (2,),
    "link": (0, 1),
    "linkat": (1, 3),
} | dict.fromkeys(("openat", "mkdirat", "unlinkat", "fchmodat", "fchmodat2", "fchownat", "utimensat"), (1,))
"""Arguments that are paths, where it is not the first one alone."""
_AT: Final = frozenset(
    {"openat", "mkdirat", "unlinkat", "renameat", "renameat2", "symlinkat", "fchmodat", "fchmodat2", "fchownat"}
    | {"utimensat", "linkat"}
)
_KINDS: Final = (
    *("open", "rename", "symlink", "unlink", "link", "mkdir", "rmdir", "chmod", "chown", "utime"),
    *("truncate", "sync", "write", "connect", "send", "vfork", "clone"),
)
"""What a call does, whichever of its forms a C library takes."""
_OUTWARD: Final = frozenset({"connect", "sendto", "vfork", "clone"})
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_CONTINUE: Final = 1

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


@dataclass(frozen=True, slots=True)
class Change:
    """One system call that changes something.

    Attributes:
        call: its name.
        what: the file or files, or nothing where it is none.
        half: bytes that a kill in the middle of it may leave written; 0 where it is no write.
    """

    call: str
    what: str
    half: int = 0

    @property
    def kind(self) -> str:
        """What the call does: "rename" for renameat2."""
        return next((kind for kind in _KINDS if kind in self.call), self.call)

    def __str__(self) -> str:
        return f"{self.call} {self.what}".rstrip()


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process is killed: before its nth change, from 1; or in the middle of it, with half of it written."""

    number: int
    in_the_middle: bool = False

    def __str__(self) -> str:
        return f"{'in the middle of' if self.in_the_middle else 'before'} change {self.number}"


def points(changes: Sequence[Change]) -> Iterator[Point]:
    """Every point of a run that made these changes."""
    for number, change in enumerate(changes, 1):
        yield Point(number)
        if change.half:
            yield Point(number, in_the_middle=True)


def spread(points: Sequence[Point], at_most: int | None) -> list[Point]:
    """Some of the points, evenly spread from the first to the last; all of them where None."""
    if at_most is None or len(points) <= at_most:
        return list(points)
    return [points[round(index * (len(points) - 1) / (at_most - 1))] for index in range(at_most)]


def why_not() -> str | None:
    """Why this kernel does not let a process be held so; None where it does."""
    if platform.machine() not in _MACHINES:
        return f"the numbers of system calls of {platform.machine()} are not known here"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            try:
                hold_me(theirs)
            finally:
                os._exit(0)
        theirs.close()
        try:
            os.close(_listener(ours))
        except OSError as error:
            return f"this kernel allows no seccomp listener ({error.strerror})"
        finally:
            os.waitpid(child, 0)
    return None


def hold_me(to: socket.socket) -> None:
    """Puts this process, and all that it starts, under the filter; sends its listener, or the error's number.

    Raises:
        OSError
    """
    column, arch, seccomp = _MACHINES[platform.machine()]
    program = _program({name: number for name, numbers in _CALLS.items() if (number := numbers[column])}, arch)
    buffer = ctypes.create_string_buffer(program, len(program))
    filters = _Program(len(program) // 8, ctypes.addressof(buffer))
    new_listener = 1 << 3
    # PR_SET_NO_NEW_PRIVS: without it only root may filter.
    _libc.prctl(38, 1, 0, 0, 0)
    listener = _libc.syscall(seccomp, 1, new_listener, ctypes.byref(filters))
    number = ctypes.get_errno() if listener < 0 else 0
    socket.send_fds(to, [str(number).encode()], [listener] if listener >= 0 else [])
    if number:
        raise OSError(number, os.strerror(number))
    os.close(listener)


def watch(
    child: int, connection: socket.socket, below: Path, kill_at: Point | None, *, outward: bool = False
) -> list[Change]:
    """Lets the held process go on from change to change, up to `kill_at`; returns those it came to.

    Args:
        child: its process id.
        connection: the other end of that which `hold_me` was given.
        below: where files count; what lies elsewhere, such as its output, does not.
        kill_at: where it is killed; None lets it end by itself.
        outward: whether what it starts and sends counts as well.

    Raises:
        OSError: this kernel allows no listener.
    """
    listener = _listener(connection)
    ended = os.pidfd_open(child)
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    waiting.register(ended, select.POLLIN)
    found: list[Change] = []
    try:
        while True:
            ready = dict(waiting.poll())
            if ended in ready:
                return found
            if not ready[listener] & select.POLLIN:
                waiting.unregister(listener)
                continue
            notice = bytearray(_NOTIFICATION.size)
            try:
                fcntl.ioctl(listener, _RECEIVE, notice, True)
            except (FileNotFoundError, InterruptedError):
                continue
            identity, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(notice)
            change = _change(child, thread, number, arguments, str(below))
            if change is not None and (outward or change.call not in _OUTWARD):
                found.append(change)
                if kill_at is not None and len(found) == kill_at.number:
                    # What goes on beside each other may come in another order: a message has no middle to be killed in.
                    if kill_at.in_the_middle and change.half:
                        _half(child, arguments, change.half)
                    os.kill(child, signal.SIGKILL)
                    return found
            try:
                fcntl.ioctl(listener, _SEND, _ANSWER.pack(identity, 0, 0, _CONTINUE))
            except FileNotFoundError:
                continue
    finally:
        os.close(ended)
        os.close(listener)


def _listener(connection: socket.socket) -> int:
    told, descriptors, _, _ = socket.recv_fds(connection, 16, 1)
    if not descriptors:
        number = int(told or b"1")
        raise OSError(number, os.strerror(number))
    return descriptors[0]


def _program(numbers: Mapping[str, int], arch: int) -> bytes:
    """The filter, in classic BPF: allow, but notify of these calls; of openat only where it may write."""
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    allow, notify = 0x7FFF0000, 0x7FC00000
    body = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, allow), (load, 0, 0, 0)]
    for name, number in numbers.items():
        if name == "openat":
            # seccomp_data.args[2], low word: the flags.
            body += [(equal, 0, 4, number), (load, 0, 0, 32), (any_bit, 0, 1, _WRITING)]
            body += [(give, 0, 0, notify), (give, 0, 0, allow)]
        else:
            body += [(equal, 0, 1, number), (give, 0, 0, notify)]
    return b"".join(struct.pack("=HBBI", *one) for one in [*body, (give, 0, 0, allow)])


def _change(child: int, thread: int, number: int, arguments: list[int], below: str) -> Change | None:
    """The change that a notification is about; None where it is somebody else's, or of no file that counts."""
    if thread != child and not Path(f"/proc/{child}/task/{thread}").exists():
        # A program that it has started.
        return None
    call = _NAMES[number]
    if call in _OUTWARD:
        return Change(call, "")
    if call in _ON_DESCRIPTORS:
        what = os.readlink(f"/proc/{child}/fd/{arguments[0]}")  # noqa: PTH115 - it need not be a path
        half = _signed(arguments[2]) // 2 if call in ("write", "pwrite64") else 0
        return Change(call, what, half) if what.startswith(below) else None
    whats = []
    for index in _FIRST_PATH.get(call, (0,)):
        what = _text(child, arguments[index])
        directory = _signed(arguments[index - 1]) if call in _AT and index else -100
        if directory >= 0:
            what = os.path.join(os.readlink(f"/proc/{child}/fd/{directory}"), what)  # noqa: PTH115, PTH118 - text
        whats.append(what)
    return Change(call, " ".join(whats)) if whats[0].startswith(below) else None


_NAMES: Final = {
    numbers[_MACHINES[platform.machine()][0]]: name
    for name, numbers in _CALLS.items()
    if platform.machine() in _MACHINES
}


def _signed(value: int) -> int:
    return ctypes.c_int(value & 0xFFFFFFFF).value


def _text(process: int, address: int) -> str:
    return _memory(process, address, 4096).partition(b"\0")[0].decode(errors="replace")


def _memory(process: int, address: int, length: int) -> bytes:
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - a process's memory
        memory.seek(address)
        return memory.read(length)


def _half(process: int, arguments: list[int], length: int) -> None:
    """Does half of a write in place of the process that was about to do all of it."""
    descriptor, address = arguments[0], arguments[1]
    state = Path(f"/proc/{process}/fdinfo/{descriptor}").read_text(encoding="ascii").split()
    position, flags = int(state[1]), int(state[3], 8)
    file = os.open(f"/proc/{process}/fd/{descriptor}", os.O_WRONLY | (flags & os.O_APPEND))
    try:
        os.pwrite(file, _memory(process, address, length), position)
    finally:
        os.close(file)
