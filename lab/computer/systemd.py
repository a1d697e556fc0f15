"""A real systemd on a machine of the world, for what lies in deploy/: it starts our units and nothing else.

It is process 1 of a process namespace of its own, with control groups of its own (cgroup v2 alone, made below this
process's and gone with it). What it boots is one target, which wants exactly the units that it is given; journald
keeps their words.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from host.command import Finished, run
from lab.computer.computer import Computer
from lab.computer.daemon import Daemon
from lab.computer.namespaces import children, signal_all
from lab.errors import LabError

PROGRAM: Final = "/lib/systemd/systemd"
_UNITS: Final = "/etc/systemd/system"
_TARGET: Final = "world.target"
_JOURNAL: Final = ("systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket")
_POLL_S: Final = 0.05

_QUIET: Final = ("sysinit", "basic", "shutdown", "sockets", "network", "network-online", "nss-lookup", "multi-user")
"""Targets that our units, Asterisk's and named's may name: here they are reached at once and want nothing."""
_GROUP: Final = "hotstandby-world-"

_TARGET_TEXT: Final = """\
[Unit]
Description=what a machine of the world boots
DefaultDependencies=no
Wants={wants}
After={wants}
"""
_QUIET_TEXT: Final = "[Unit]\nDefaultDependencies=no\n"

# Control groups: the unified tree alone, in a namespace whose root is a group of our own below this process's, so that
# nothing outside can be seen or moved. The group goes when systemd ends; one that a killed world left is swept.
# /opt/hotstandby is where the units look for our commands. Where they, or their Python, lie below a private home,
# nothing but those can be seen there, and everybody may pass: the units have users of their own.
_SETUP: Final = """\
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 opt /opt
mkdir /opt/hotstandby
mount --bind "$1" /opt/hotstandby
{passages}
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ours=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
sweep() {{ find "$ours" -mindepth 1 -depth -type d -path "*/{group}$1*" -exec rmdir {{}} + 2>/dev/null || true; }}
sweep ""
mkdir "$ours/{group}$2"
sh -c 'echo 0 >"$2/cgroup.procs"
exec unshare --mount --pid --ipc --cgroup --fork --kill-child sh -ec "
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t proc proc /proc
exec env -i PATH=$1 SYSTEMD_UNIT_PATH={units} container=world \
  {program} --system --unit={target} --log-target=journal --show-status=0"' sh "$3" "$ours/{group}$2" || true
sweep "$2"
"""


class Systemd:
    """A systemd that runs on a machine until `power_off`, or the machine's, or the world's end.

    The machine's other services (start_asterisk, start_named) are not for a machine that has one.
    """

    def __init__(self, machine: Computer, units: Mapping[str, str], wanted: Sequence[str]) -> None:
        """Writes units and does not boot.

        Args:
            units: path below /etc/systemd/system -> text.
            wanted: the units that a boot starts.
        """
        self._machine = machine
        self._daemon: Daemon | None = None
        self._pid = 0
        kept = machine.path(_UNITS)
        for old in kept.iterdir() if kept.is_dir() else ():
            machine.run(["rm", "-rf", f"{_UNITS}/{old.name}"])
        for target in _QUIET:
            machine.write(f"{_UNITS}/{target}.target", _QUIET_TEXT)
        for name in _JOURNAL:
            machine.write(f"{_UNITS}/{name}", Path(f"/lib/systemd/system/{name}").read_text())
        for name, text in units.items():
            machine.write(f"{_UNITS}/{name}", text)
        machine.write(f"{_UNITS}/{_TARGET}", _TARGET_TEXT.format(wants=" ".join([*_JOURNAL, *wanted])))

    def boot(self, *, deadline_s: float = 60.0) -> None:
        """Boots, and returns when every unit that is wanted has started or failed.

        Raises:
            LabError: systemd ended, or has jobs left after so many seconds.
        """
        environment = Path(self._machine.environment()["PATH"].split(":")[1]).parent
        setup = _SETUP.format(program=PROGRAM, target=_TARGET, units=_UNITS, group=_GROUP, passages=_passages())
        group = f"{self._machine.pid}-{time.monotonic_ns()}"
        path = self._machine.environment()["PATH"]
        apart = ["unshare", "--mount", "sh", "-c", setup, "sh", str(environment), group, path]
        self._daemon = self._machine.spawn(apart, name="systemd")
        until = time.monotonic() + deadline_s
        while not self._settled():
            if self._daemon.poll() is not None:
                raise LabError(f"systemd on {self._machine.name} ended: {self._daemon.output().strip()[-500:]}")
            if time.monotonic() > until:
                jobs = self.run(["systemctl", "list-jobs", "--no-pager"]).stdout
                raise LabError(f"systemd on {self._machine.name} is not done after {deadline_s:g} s: {jobs}")
            time.sleep(_POLL_S)

    def _settled(self) -> bool:
        assert self._daemon is not None
        if not self._machine.path("/run/systemd/private").exists():
            return False
        # The shell of the set-up, unshare, and process 1.
        self._pid = children(children(self._daemon.pid)[0])[0]
        active = self.run(["systemctl", "is-active", _TARGET]).stdout.strip() == "active"
        return active and "No jobs" in self.run(["systemctl", "list-jobs", "--no-pager"]).stdout

    def run(self, argv: Sequence[str], *, deadline_s: float = 30.0) -> Finished:
        """Runs a command beside the services, as somebody who is logged in would.

        Raises:
            CommandLate: it did not end by the deadline.
        """
        inside = ["nsenter", "--target", str(self._pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"]
        return run([*inside, "--root", "--wd", "--", *argv], deadline_s=deadline_s, env=self._machine.environment())

    def control(self, *words: str, deadline_s: float = 30.0) -> Finished:
        """`systemctl WORDS`."""
        return self.run(["systemctl", "--no-pager", *words], deadline_s=deadline_s)

    def property(self, unit: str, name: str) -> str:
        """One property of a unit, as `systemctl show` prints it."""
        return self.control("show", "--value", "-p", name, unit).stdout.strip()

    def said(self, unit: str) -> list[tuple[int, str]]:
        """The journal of a unit since this boot: priority (syslog's) and words of each line."""
        shown = self.run(["journalctl", "--no-pager", "-o", "json", "-u", unit])
        lines = [json.loads(line) for line in shown.stdout.splitlines()]
        return [(int(line.get("PRIORITY", 6)), str(line["MESSAGE"])) for line in lines]

    def power_off(self) -> None:
        """Ends systemd and all that it runs, as a power cut would; the machine itself stays on."""
        if self._daemon is not None and self._pid and self._daemon.poll() is None:
            signal_all([self._pid], signal.SIGKILL)
            self._daemon.wait(10)
        self._daemon, self._pid = None, 0


def _passages() -> str:
    """Shell lines that lead everybody through private homes to this checkout, its environment and its Python."""
    lines = []
    homes: dict[Path, set[Path]] = {}
    for path in (Path(sys.base_prefix), Path(sys.prefix), Path(__file__).resolve().parents[2]):
        private = [parent for parent in path.parents if not parent.stat().st_mode & 0o001]
        if private:
            homes.setdefault(private[-1], set()).add(path)
    for home, paths in homes.items():
        lines += ["mkdir -p /run/behind", f"mount --bind {home} /run/behind"]
        lines += [f"mount -t tmpfs -o mode=755 home {home}"]
        for path in sorted(paths):
            lines += [f"mkdir -p {path}", f"mount --bind /run/behind/{path.relative_to(home)} {path}"]
        lines += ["umount /run/behind"]
    return "\n".join(lines)
