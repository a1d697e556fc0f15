"""One machine of the world: a process 1, a network, a disk that survives its power, and an Asterisk root.

Its /etc and /var are overlays over this machine's own, so that everything installed works there and nothing is
changed here; what an admin's Asterisk, BIND or hotstandby would have left there is hidden. Asterisk runs chrooted in
a root of its own (roots.py), in which /etc/asterisk, /etc/hotstandby, /var/lib/asterisk, /var/lib/hotstandby,
/var/log/asterisk, /var/spool/asterisk and /run are the machine's.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from host.command import CommandLate, Finished, run
from lab.accounts import ADDRESSES, BETTER, WWW
from lab.errors import LabError
from lab.namespaces import Namespace, children, members, socket_inside, wait_until_gone
from lab.roots import Root

_HIDDEN: Final = (
    "etc/asterisk",
    "etc/hotstandby",
    "etc/bind",
    "var/lib/asterisk",
    "var/lib/hotstandby",
    "var/log/asterisk",
    "var/spool/asterisk",
    "var/cache/bind",
    "var/lib/bind",
)
"""What this machine may have of its own, and a machine of the world starts without."""

_SHARED_WITH_ASTERISK: Final = (
    "etc/asterisk",
    "etc/hotstandby",
    "var/lib/asterisk",
    "var/lib/hotstandby",
    "var/log/asterisk",
    "var/spool/asterisk",
)

_BIN: Final = "/run/host-bin"
_ASTERISK_ROOT: Final = "/run/asterisk-root"
_PYTHON_HOP: Final = "usr/bin/python3-host"


class Daemon:
    """A program that runs on a machine until it ends, or the machine, or the world does.

    Attributes:
        argv: what was started.
        pid: of the program itself, as seen from the test process.
        log: where its standard output and error go, as seen from the test process.
    """

    def __init__(self, argv: Sequence[str], process: subprocess.Popen[bytes], log: Path) -> None:
        self.argv = tuple(argv)
        self.log = log
        self._process = process
        self.pid = self._find(5.0)

    def _find(self, deadline_s: float) -> int:
        until = time.monotonic() + deadline_s
        while self._process.poll() is None and time.monotonic() < until:
            if below := children(self._process.pid):
                return below[0]
            time.sleep(0.005)
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, deadline_s: float) -> int:
        """Its exit code, once it has ended.

        Raises:
            LabError: it still runs after so many seconds.
        """
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"'{self.argv[0]}' still runs after {deadline_s:g} s") from None

    def send_signal(self, number: int) -> None:
        """Sends a signal to the program itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            if number == signal.SIGCONT:
                # nsenter(1) stops itself with its child, and would go on sleeping.
                self._process.send_signal(number)

    def terminate(self, deadline_s: float = 5.0) -> None:
        """SIGTERM, and SIGKILL after so many seconds."""
        self.send_signal(signal.SIGTERM)
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)
        self._process.wait(5)

    def bury(self) -> None:
        """For a program that was killed from outside: takes back what waited for it."""
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(5)

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Machine:
    """A machine; made by World.

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
        self._starters: dict[str, Callable[[], None]] = {"asterisk": self.start_asterisk}
        self._daemons: list[Daemon] = []
        self._spawned = 0
        self._disk = Path(f"/proc/{lab.pid}/root/run/lab/{name}")
        self._make_disk()

    # Power

    @property
    def addresses(self) -> list[str]:
        """All of its addresses on the wire."""
        return [self.address, *_extra_addresses(self.name)]

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
        self._power = Namespace(prefix, self._boot_script(), name=self.name)
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
            daemon.bury()
        self._daemons.clear()
        self._services.clear()

    def pull_cable(self) -> None:
        """Takes its link down; its processes go on and do not know."""
        self._in_lab("ip", "link", "set", f"v-{self.name}", "down")

    def plug_cable(self) -> None:
        """Brings its link up again."""
        self._in_lab("ip", "link", "set", f"v-{self.name}", "up")

    def freeze(self) -> None:
        """Stops its Asterisk where it is (SIGSTOP): connections stay open and nobody answers."""
        self._signal_asterisk(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets its Asterisk go on (SIGCONT)."""
        self._signal_asterisk(signal.SIGCONT)
        if (daemon := self._services.get("asterisk")) is not None:
            daemon.send_signal(signal.SIGCONT)

    def processes(self, command: str | None = None) -> list[int]:
        """Its processes, as seen from here; those whose command name is `command` where it is given."""
        if self._power is None:
            return []
        found = members(self._power.pid)
        return found if command is None else [pid for pid in found if _command_of(pid) == command]

    def _signal_asterisk(self, number: int) -> None:
        pids = self.processes("asterisk")
        if not pids:
            raise LabError(f"no Asterisk runs on {self.name}")
        for pid in pids:
            os.kill(pid, number)

    # What one does on it

    @property
    def pid(self) -> int:
        """Its process 1, as seen from here.

        Raises:
            LabError: it has no power.
        """
        if not self.on or self._power is None:
            raise LabError(f"{self.name} has no power; power_on() gives it some")
        return self._power.pid

    def path(self, inside: str) -> Path:
        """A file of the machine as this process sees it. /etc and /var are there without power as well."""
        top, _, rest = inside.lstrip("/").partition("/")
        if top in {"etc", "var"}:
            return self._disk / top / rest
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def in_asterisk_root(self, inside: str) -> Path:
        """A file of the file system that its Asterisk sees, as this process sees it."""
        return Path(f"/proc/{self.pid}/root{_ASTERISK_ROOT}") / inside.lstrip("/")

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

    def environment(self) -> dict[str, str]:
        """What its commands find in their environment: PATH begins with the asterisk of the machine, then ours."""
        ours = str(Path(sys.executable).parent)
        path = f"{_BIN}:{ours}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line, for this process, of a command on the machine."""
        return [*_ENTER, str(self.pid), *_EVERYTHING, *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline_s: float = 30.0,
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
                self.argv(argv),
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

    # Its Asterisk

    def asterisk(self, command: str, *, deadline_s: float = 10.0) -> str:
        """What `asterisk -rx COMMAND` prints, without terminal codes.

        Raises:
            LabError: no Asterisk runs.
            CommandLate: it does not answer.
        """
        done = self.run(["asterisk", "-rx", command], deadline_s=deadline_s)
        if done.returncode != 0:
            raise LabError(f"no Asterisk answers on {self.name}: {(done.stdout + done.stderr).strip()}")
        return _without_terminal_codes(done.stdout)

    def start_asterisk(self, *, deadline_s: float = 20.0) -> None:
        """Starts Asterisk as its own user and returns when it has booted fully."""
        self.launch_asterisk()
        self.await_asterisk(deadline_s=deadline_s)

    def launch_asterisk(self) -> None:
        """Starts Asterisk and does not wait for it."""
        if self.root is None:
            raise LabError(f"{self.name} has no Asterisk")
        if self.asterisk_running:
            return
        argv = ["asterisk", "-f", "-U", "asterisk", "-G", "asterisk"]
        self._services["asterisk"] = self.spawn(argv, name="asterisk")

    def await_asterisk(self, *, deadline_s: float = 20.0) -> None:
        """Returns when Asterisk has booted fully.

        Raises:
            LabError: it ended, or is not ready by the deadline; with its last lines.
        """
        until = time.monotonic() + deadline_s
        control = self.path("/run/asterisk/asterisk.ctl")
        while time.monotonic() < until:
            if (code := self._services["asterisk"].poll()) is not None:
                raise LabError(f"Asterisk on {self.name} ended with {code}: {self._last_lines()}")
            if control.exists():
                done = self.run(["asterisk", "-rx", "core waitfullybooted"], deadline_s=deadline_s)
                if "fully booted" in done.stdout:
                    return
            time.sleep(0.05)
        raise LabError(f"Asterisk on {self.name} is not ready after {deadline_s:g} s: {self._last_lines()}")

    def stop_asterisk(self, *, deadline_s: float = 10.0) -> None:
        """Ends Asterisk as `systemctl stop` would: SIGTERM, no un-REGISTER. Frozen, it is killed."""
        daemon = self._services.pop("asterisk", None)
        if daemon is not None:
            daemon.send_signal(signal.SIGCONT)
            daemon.terminate(deadline_s)

    def kill_asterisk(self) -> None:
        """Ends Asterisk by SIGKILL, as a crash would."""
        daemon = self._services.pop("asterisk", None)
        if daemon is not None:
            daemon.kill()

    @property
    def asterisk_running(self) -> bool:
        """Whether an Asterisk process is there, frozen or not."""
        daemon = self._services.get("asterisk")
        return daemon is not None and daemon.poll() is None

    def _last_lines(self) -> str:
        printed = self._services["asterisk"].output().strip().splitlines()
        log = self.path("/var/log/asterisk/messages")
        logged = log.read_text(errors="replace").splitlines() if log.exists() else []
        return " | ".join([*printed[-3:], *logged[-5:]]) or "it said nothing"

    # How it is made

    def _in_lab(self, *argv: str) -> None:
        done = run([*self._lab.enter("mount", "net", "pid"), *argv], deadline_s=10)
        if done.returncode != 0:
            raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")

    def _make_disk(self) -> None:
        name, base = self.name, f"/run/lab/{self.name}"
        script = [
            "set -e",
            f"mkdir -p {base}/etc {base}/var {base}/run {base}/root",
            *(f"mkdir -p {base}/upper/{part} {base}/work/{part}" for part in ("etc", "var", "root")),
        ]
        lowers = {"etc": "/etc", "var": "/var"} | ({"root": str(self.root.path)} if self.root else {})
        for part, lower in lowers.items():
            options = f"lowerdir={lower},upperdir={base}/upper/{part},workdir={base}/work/{part}"
            script.append(f"mount -t overlay overlay -o {options} {base}/{part}")
        script += [f"rm -rf {base}/{path}; mkdir -p {base}/{path}" for path in _HIDDEN]
        script += [
            f"ip netns add {name}",
            f"ip link add v-{name} type veth peer name eth0 netns {name}",
            f"ip link set v-{name} master br0",
            f"ip -n {name} link set lo up",
            f"ip -n {name} addr add {self.address}/24 dev eth0",
            *(f"ip -n {name} addr add {extra}/24 dev eth0" for extra in _extra_addresses(name)),
            f"ip -n {name} link set eth0 up",
        ]
        self._in_lab("sh", "-c", "\n".join(script))
        if self.root is not None:
            self._join_root(self.root)

    def _join_root(self, root: Root) -> None:
        """Makes the Asterisk root a part of the machine: users, name resolution, and the way to our Python."""
        uid, gid = root.ids()
        for file, line in (
            ("passwd", f"asterisk:x:{uid}:{gid}::/var/lib/asterisk:/usr/sbin/nologin"),
            ("group", f"asterisk:x:{gid}:"),
        ):
            path = self._disk / "etc" / file
            kept = [entry for entry in path.read_text().splitlines() if not entry.startswith("asterisk:")]
            path.write_text("\n".join([*kept, line, ""]))
        inside = self._disk / "root"
        for shared in _SHARED_WITH_ASTERISK:
            (inside / shared).mkdir(parents=True, exist_ok=True)
        for owned in ("var/lib/asterisk", "var/log/asterisk", "var/spool/asterisk"):
            # What the package puts there (music, recorded names) belongs to Asterisk on a real machine as well.
            shutil.copytree(root.path / owned, self._disk / owned, symlinks=True, dirs_exist_ok=True)
            for path in (self._disk / owned, *(self._disk / owned).rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)
        for directory in ("agi-bin", "keys"):
            (self._disk / "var/lib/asterisk" / directory).mkdir(exist_ok=True)
        (inside / "etc/machine").mkdir(exist_ok=True)
        for file in ("hosts", "resolv.conf"):
            # Links into the machine's own /etc: a file that is replaced by a rename there is new here too.
            (inside / "etc" / file).unlink(missing_ok=True)
            (inside / "etc" / file).symlink_to(f"/etc/machine/{file}")
        self._install_python_hop(inside, uid, gid)

    def _install_python_hop(self, inside: Path, uid: int, gid: int) -> None:
        """python3-host, python3 and our own interpreter's path in the Asterisk root lead out to the machine.

        Asterisk is not root, and chroot(2) wants privilege, so a set-user-id copy of chroot does the step and gives
        the privilege back before Python starts.
        """
        shutil.copy(inside / "usr/sbin/chroot", inside / "usr/sbin/chroot-host")
        (inside / "usr/sbin/chroot-host").chmod(0o4755)
        hop = inside / _PYTHON_HOP
        hop.write_text(
            "#!/bin/sh\n"
            f'exec /usr/sbin/chroot-host --userspec={uid}:{gid} --groups={gid} /proc/1/root {sys.executable} "$@"\n'
        )
        hop.chmod(0o755)
        for alias in ("/usr/bin/python3", sys.executable, str(Path(sys.executable).with_name("python3"))):
            link = inside / alias.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(f"/{_PYTHON_HOP}")

    def _boot_script(self) -> str:
        base = f"/run/lab/{self.name}"
        run_owner = ":".join(str(part) for part in (self.root.ids() if self.root else (0, 0)))
        lines = [
            f"hostname {self.name}",
            f"mount -t tmpfs -o mode=755 run {base}/run",
            f"mkdir -p {base}/run/asterisk {base}/run/hotstandby {base}/run/named {base}/run/sshd {base}/run/lock",
            f"mkdir -p {base}/run/host-bin {base}/run/asterisk-root",
            f"chown {run_owner} {base}/run/asterisk",
        ]
        if self.root is not None:
            top = f"{base}/run/asterisk-root"
            lines.append(f"mount --bind {base}/root {top}")
            lines += [f"mount --bind {base}/{path} {top}/{path}" for path in _SHARED_WITH_ASTERISK]
            lines += [
                f"mount --bind {base}/etc {top}/etc/machine",
                f"mount --bind {base}/run {top}/run",
                f"mount --rbind /proc {top}/proc",
                f"mount --rbind /dev {top}/dev",
            ]
        # /run last: the lab's own, from which the others are bound, is below it.
        lines += [f"mount --bind {base}/etc /etc", f"mount --bind {base}/var /var", f"mount --rbind {base}/run /run"]
        return "\n".join(lines)

    def _fill_run(self) -> None:
        shim = self.path(f"{_BIN}/asterisk")
        shim.write_text(f'#!/bin/sh\nexec chroot {_ASTERISK_ROOT} /usr/sbin/asterisk "$@"\n')
        shim.chmod(0o755)

    def _group_id(self, name: str) -> int:
        for line in (self._disk / "etc/group").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split(":")[2])
        raise LabError(f"{self.name} has no group {name}")


_ENTER: Final = ("nsenter", "--target")
_EVERYTHING: Final = ("--mount", "--net", "--pid", "--uts", "--root", "--wd", "--")


def _extra_addresses(name: str) -> list[str]:
    if name == "carrier":
        return [BETTER]
    return [WWW[name]] if name in WWW else []


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _without_terminal_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
