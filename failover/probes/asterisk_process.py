"""Which processes are the Asterisk of this machine.

Never by name alone. Asterisk is told from its own control: the process behind its control socket (unix(7),
SO_PEERCRED), the one that its pid file names, or one that was started with this machine's configuration in this
network namespace.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.file_reading import read_file
from localized.asterisk.configuration import LocalDisk, read_conf
from pair import Asterisk

RUN_DIRECTORY: Final = "/var/run/asterisk"
"""astrundir unless asterisk.conf says otherwise (main/options.c)."""
_WITH_VALUE: Final = "CeGLMsU"
"""Options of asterisk(8) that take a value, besides -x (main/asterisk.c, getopt)."""


@dataclass(frozen=True, slots=True)
class AsteriskProcess:
    """One running Asterisk.

    Attributes:
        pid: its process id.
        started: start time in clock ticks since boot (proc(5), stat field 22); with the pid, unique in a boot.
        supervisor: pid of the safe_asterisk that would start it anew; 0 where there is none.
        known_by: how it was told, for people.
    """

    pid: int
    started: int
    supervisor: int
    known_by: str


def find_asterisk(asterisk: Asterisk, *, proc: Path = Path("/proc")) -> tuple[AsteriskProcess, ...]:
    """Every process that is the Asterisk of this configuration; usually one, none when it is down."""
    run = run_directory(asterisk)
    found: dict[int, str] = {}
    for pid, known_by in (
        *_behind_control_socket(run / "asterisk.ctl"),
        *_in_pid_file(run / "asterisk.pid"),
        *_with_configuration(asterisk, proc),
    ):
        found.setdefault(pid, known_by)
    processes = (_process(proc, pid, known_by) for pid, known_by in found.items())
    return tuple(process for process in processes if process is not None)


def run_directory(asterisk: Asterisk) -> Path:
    """astrundir of this configuration."""
    conf = read_conf("asterisk.conf", asterisk.config_dir, LocalDisk())
    said = [value for part in (conf.named("directories") if conf else ()) if (value := part.last("astrundir"))]
    return Path(said[-1] if said else RUN_DIRECTORY)


def _behind_control_socket(path: Path) -> Iterator[tuple[int, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as control:
        # Not blocking: a frozen Asterisk accepts nobody, and two who wait fill its queue (listen(…, 2)).
        control.setblocking(False)
        try:
            control.connect(str(path))
            size = struct.calcsize("3i")
            pid, _, _ = struct.unpack("3i", control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        except OSError:
            return
    if pid > 0:
        yield pid, f"it listens at {path}"


def _in_pid_file(path: Path) -> Iterator[tuple[int, str]]:
    with contextlib.suppress(OSError, ValueError):
        yield int(read_file(path, 64)), f"{path} names it"


def _with_configuration(asterisk: Asterisk, proc: Path) -> Iterator[tuple[int, str]]:
    ours = _namespace(proc / "self")
    wanted = f"{asterisk.config_dir}/asterisk.conf"
    for entry in proc.iterdir():
        if not entry.name.isdigit() or not _is_asterisk(entry):
            continue
        with contextlib.suppress(OSError):
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if configuration(argv) == wanted and _namespace(entry) == ours:
                yield int(entry.name), f"it runs with {wanted}"


def configuration(argv: list[str]) -> str | None:
    """The asterisk.conf that a command line of Asterisk names; None for a console, which is not the server.

    asterisk(8): -r and -R connect, -x runs one command; -C names the file; letters may be joined, as in -vvvgc.
    """
    named = "/etc/asterisk/asterisk.conf"
    words = iter(argv[1:])
    for word in words:
        if not word.startswith("-") or word.startswith("--"):
            continue
        for position, letter in enumerate(word[1:], start=1):
            if letter in "rRx":
                return None
            if letter in _WITH_VALUE:
                value = word[position + 1 :] or next(words, "")
                named = value if letter == "C" else named
                break
    return named


def _process(proc: Path, pid: int, known_by: str) -> AsteriskProcess | None:
    entry = proc / str(pid)
    started = started_at(proc, pid)
    if started is None or not _is_asterisk(entry):
        return None
    return AsteriskProcess(pid, started, _supervisor(proc, pid), known_by)


def _is_asterisk(entry: Path) -> bool:
    """Whether the program is Asterisk's: pid files outlive their process, and pids are used again."""
    try:
        program = (entry / "exe").readlink().name.removesuffix(" (deleted)")
        state = _stat(entry)[0]
    except (OSError, IndexError):
        return False
    return program == "asterisk" and state not in "ZX"


def _supervisor(proc: Path, pid: int) -> int:
    try:
        parent = int(_stat(proc / str(pid))[1])
        argv = (proc / str(parent) / "cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return 0
    return parent if parent > 1 and any(word.endswith(b"/safe_asterisk") for word in argv[:2]) else 0


def started_at(proc: Path, pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (proc(5), stat field 22); None where it is gone."""
    try:
        return int(_stat(proc / str(pid))[19])
    except (OSError, ValueError, IndexError):
        return None


def _stat(entry: Path) -> list[str]:
    """Fields of stat from the third on: the second is the name, which may hold anything."""
    return (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _namespace(entry: Path) -> str:
    try:
        return str((entry / "ns/net").readlink())
    except OSError:
        return ""
