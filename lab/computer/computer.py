"""A computer of the world: power, a cable, a disk, and commands that run on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from host.command import CommandLate, Finished, run
from lab.carrier.accounts import ADDRESSES, BETTER, WWW
from lab.computer import disk
from lab.computer.daemon import UNDER_A_SHELL, Daemon
from lab.computer.namespaces import Namespace, members, parent, signal_all, socket_inside, wait_until_gone
from lab.computer.roots import Root
from lab.errors import LabError
from lab.until import HANG_S, until

_EVERYTHING: Final = ("mount", "net", "pid", "uts")


class Computer:
    """Power, a cable, a disk, and commands that run on it; what serves on it is Machine's.

    Attributes:
        name: its host name.
        address: on the wire that all machines share.
        root: where its Asterisk comes from; None for one without.
        boot_services: names of services that power_on starts, in order.
    """

    def __init__(self, lab: Namespace, name: str, root: Root | None) -> None:
        self.name = name
        self.address = ADDRESSES[name]
        self.root = root
        self.boot_services: list[str] = []
        self._lab = lab
        self._power: Namespace | None = None
        self._services: dict[str, Daemon] = {}
        self._starters: dict[str, Callable[[], None]] = {}
        self._daemons: list[Daemon] = []
        self._spawned = 0
        self._disk = Path(f"/proc/{lab.pid}/root{disk.lab_path(name)}")
        self._in_lab("sh", "-c", disk.creation(name, self.addresses, root))
        disk.join_root(self._disk, root)

    # Power

    @property
    def addresses(self) -> list[str]:
        """All of its addresses on the wire."""
        return addresses_of(self.name)

    @property
    def on(self) -> bool:
        """Whether it has power."""
        return self._power is not None and self._power.alive

    def power_on(self, *, services: Sequence[str] | None = None) -> None:
        """Boots it: an empty /run, a plugged cable, and its services as at boot (or those that are named)."""
        if self.on:
            return
        prefix = [*self._lab.enter("mount", "pid"), "nsenter", f"--net=/run/netns/{self.name}"]
        prefix += ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        self._power = Namespace(prefix, disk.boot(self.name, self.root), name=self.name)
        self._fill_run()
        self.plug_cable()
        for service in self.boot_services if services is None else services:
            self._starters[service]()

    def power_off(self) -> None:
        """Takes its power: the link falls, and every process is gone before this returns. Its disk stays."""
        self.pull_cable()
        if self._power is None:
            return
        inside = members(self._power.pid)
        self._power.end()
        self._power = None
        if left := wait_until_gone(inside, 5.0):
            raise LabError(f"{self.name} has no power, and processes {left} of it still run")
        for daemon in self._daemons:
            daemon.wait(5)
        self._daemons.clear()
        self._services.clear()

    def pull_cable(self) -> None:
        """Takes its link down; its processes go on and do not know."""
        self._in_lab("ip", "link", "set", f"v-{self.name}", "down")

    def plug_cable(self) -> None:
        """Brings its link up again."""
        self._in_lab("ip", "link", "set", f"v-{self.name}", "up")

    def suspend(self) -> None:
        """Stops everything that was spawned on it or runs as a service, as a hypervisor that pauses it would.

        A command of `run` that is under way goes on: it is the test's, not the machine's.
        """
        stopped: set[int] = set()
        # Again until nobody is new: what ran while we listed may have started others.
        while others := set(self._suspendable()) - stopped:
            signal_all(others, signal.SIGSTOP)
            stopped |= others

    def resume(self) -> None:
        """Lets a suspended machine go on where it was."""
        signal_all(self._suspendable(), signal.SIGCONT)

    def _suspendable(self) -> list[int]:
        """Its processes but process 1, and but those whose parent is outside: nsenter must not see a child stop."""
        inside = set(self.processes())
        return [pid for pid in inside if pid != self.pid and parent(pid) in inside]

    def processes(self, command: str | None = None) -> list[int]:
        """Its processes, as seen from here; those whose command name is `command` where it is given."""
        if self._power is None:
            return []
        found = members(self._power.pid)
        return found if command is None else [pid for pid in found if _command_of(pid) == command]

    # What one does on it

    @property
    def _here(self) -> Namespace:
        if not self.on or self._power is None:
            raise LabError(f"{self.name} has no power; power_on() gives it some")
        return self._power

    @property
    def pid(self) -> int:
        """Its process 1, as seen from here.

        Raises:
            LabError: it has no power.
        """
        return self._here.pid

    def path(self, inside: str) -> Path:
        """A file of the machine as this process sees it. /etc and /var are there without power as well."""
        top, _, rest = inside.lstrip("/").partition("/")
        if top in {"etc", "var"}:
            return self._disk / top / rest
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def in_asterisk_root(self, inside: str) -> Path:
        """A file of the file system that its Asterisk sees, as this process sees it."""
        return Path(f"/proc/{self.pid}/root{disk.ASTERISK_ROOT}") / inside.lstrip("/")

    def write(self, inside: str, text: str, *, mode: int = 0o644, group: str | None = None) -> Path:
        """Writes a file of the machine, making directories above it.

        Args:
            group: a group that exists on the machine, such as asterisk.
        """
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        if group is not None:
            os.chown(path, 0, self._group_id(group))
        return path

    def environment(self, *, terminal: bool = False) -> dict[str, str]:
        """What its commands find in their environment: PATH begins with the asterisk of the machine, then ours.

        Args:
            terminal: whether a person types into them.
        """
        ours = str(Path(sys.executable).parent)
        path = f"{disk.BIN}:{ours}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        found = {"PATH": path, "HOME": disk.HOME, "LANG": "C.UTF-8", "TERM": "dumb"}
        if terminal:
            found |= {"TERM": os.environ.get("TERM", "dumb"), "PS1": f"{self.name}:\\w# "}
        return found

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line, for this process, of a command on the machine."""
        return [*self._here.enter(*_EVERYTHING), *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline_s: float = 2 * HANG_S,
        input: bytes | None = None,  # noqa: A002 - host.command's word for it
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Runs a command on the machine to its end.

        Args:
            env: laid over environment().

        Raises:
            CommandLate: it did not end by the deadline, and was killed with its children.
            LabError: the machine has no power.
        """
        try:
            done = run(
                self.argv(argv),
                deadline_s=deadline_s,
                input=input,
                env={**self.environment(), **(env or {})},
            )
        except CommandLate:
            raise CommandLate(f"'{' '.join(argv)}' did not end on {self.name} within {deadline_s:g} s.") from None
        return replace(done, argv=tuple(argv))

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, name: str | None = None) -> Daemon:
        """Starts a program on the machine that ends with it. Its output is Daemon.log, /var/log/lab/ on the machine."""
        self._spawned += 1
        log = self.path(f"/var/log/lab/{self._spawned:03}-{name or Path(argv[0]).name}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.argv([*UNDER_A_SHELL, *argv]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self.environment(), **(env or {})},
                start_new_session=True,
            )
        daemon = Daemon(argv, process, log)
        self._daemons = [*(other for other in self._daemons if other.poll() is None), daemon]
        return daemon

    def open_socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A socket in the machine's network, to be used by this process."""
        return socket_inside(self.pid, family, kind)

    def connect(self, address: str, port: int, *, deadline_s: float = 5.0) -> socket.socket:
        """A TCP connection as the machine would make it, for example to 127.0.0.1 on it."""
        made = self.open_socket()
        made.settimeout(deadline_s)
        try:
            made.connect((address, port))
        except OSError as error:
            made.close()
            raise LabError(f"{self.name} cannot connect to {address}:{port} ({error})") from error
        made.settimeout(None)
        return made

    def await_port(self, address: str, port: int, daemon: Daemon | None = None, *, deadline_s: float = HANG_S) -> None:
        """Returns when something listens there, as seen from this machine.

        Args:
            daemon: what shall listen; without it nobody waits any longer.

        Raises:
            LabError: nothing does by the deadline.
        """

        def listens() -> bool:
            self.connect(address, port).close()
            return True

        until(
            listens,
            f"a connection from {self.name} to {address}:{port}",
            told=lambda: daemon.output()[-500:] if daemon else "",
            lives=lambda: daemon is None or daemon.running,
            deadline_s=deadline_s,
        )

    # How it is made

    def _in_lab(self, *argv: str) -> None:
        done = run([*self._lab.enter("mount", "net", "pid"), *argv], deadline_s=10)
        if done.returncode != 0:
            raise LabError(f"{self.name}: {done.stderr.strip() or argv}")

    def _fill_run(self) -> None:
        shim = self.path(f"{disk.BIN}/asterisk")
        shim.write_text(f'#!/bin/sh\nexec chroot {disk.ASTERISK_ROOT} /usr/sbin/asterisk "$@"\n')
        shim.chmod(0o755)

    def _group_id(self, name: str) -> int:
        for line in (self._disk / "etc/group").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split(":")[2])
        raise LabError(f"{self.name} has no group {name}")


def addresses_of(name: str) -> list[str]:
    """Every address that a machine has on the wire, its own first."""
    if name == "carrier":
        return [ADDRESSES[name], BETTER]
    return [ADDRESSES[name], *([WWW[name]] if name in WWW else [])]


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
