"""The disk, the network and the boot of a machine: what is mounted where.

Its /etc and /var are overlays over this machine's own, so that everything installed here works there and nothing is
changed here; what an Asterisk, a BIND or a hotstandby of this machine has there is hidden. Asterisk runs chrooted in
a root of its own (roots.py), in which /etc/asterisk, /etc/hotstandby, /var/lib/asterisk, /var/lib/hotstandby,
/var/log/asterisk, /var/spool/asterisk and /run are the machine's.

Everything lives in a tmpfs on /run of the lab's own mount namespace: nothing is ever written to a real disk.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lab.computer.roots import Root

ASTERISK_ROOT: Final = "/run/asterisk-root"
BIN: Final = "/run/host-bin"
"""First on the PATH of every command on a machine."""
HOME: Final = "/var/root"
"""root's home directory there: /root stays this machine's, where the checkout may be, but ssh must not use its keys."""

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
    "var/root",
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
_PYTHON_HOP: Final = "usr/bin/python3-host"


def lab_path(name: str) -> str:
    """Where a machine's disk is, in the lab's mount namespace."""
    return f"/run/lab/{name}"


def creation(name: str, addresses: Sequence[str], root: Root | None) -> str:
    """The shell script that makes a machine's disk and its network; run once, in the lab's namespaces."""
    base = lab_path(name)
    lowers = {"etc": "/etc", "var": "/var"} | ({"root": str(root.path)} if root else {})
    lines = ["set -e", f"mkdir -p {base}/etc {base}/var {base}/run {base}/root"]
    for part, lower in lowers.items():
        upper, work = f"{base}/upper/{part}", f"{base}/overlay/{part}"
        lines += [
            f"mkdir -p {upper} {work}",
            f"mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {base}/{part}",
        ]
    lines += [f"rm -rf {base}/{path}; mkdir -p {base}/{path}" for path in _HIDDEN]
    lines += [
        f"ip netns add {name}",
        f"ip link add v-{name} type veth peer name eth0 netns {name}",
        f"ip link set v-{name} master br0",
        f"ip -n {name} link set lo up",
        *(f"ip -n {name} addr add {address}/24 dev eth0" for address in addresses),
        f"ip -n {name} link set eth0 up",
    ]
    return "\n".join(lines)


def boot(name: str, root: Root | None) -> str:
    """The shell script that boots a machine, in mount, process and UTS namespaces that were just made for it."""
    base = lab_path(name)
    uid, gid = root.ids() if root else (0, 0)
    lines = [
        f"hostname {name}",
        f"mount -t tmpfs -o mode=755 run {base}/run",
        *(f"mkdir -p {base}/run/{part}" for part in ("asterisk", "hotstandby", "named", "sshd", "lock", "host-bin")),
        f"chown {uid}:{gid} {base}/run/asterisk",
    ]
    if root is not None:
        top = f"{base}{ASTERISK_ROOT}"
        lines += [f"mkdir -p {top}", f"mount --bind {base}/root {top}"]
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


def join_root(disk: Path, root: Root | None) -> None:
    """Makes the Asterisk root a part of the machine: users, name resolution, and the way to our Python.

    Args:
        disk: the machine's, as seen from here.
    """
    users = [f"root:x:0:0:root:{HOME}:/bin/sh"]
    groups = []
    if root is not None:
        uid, gid = root.ids()
        users.append(f"asterisk:x:{uid}:{gid}::/var/lib/asterisk:/usr/sbin/nologin")
        groups.append(f"asterisk:x:{gid}:")
    _replace_lines(disk / "etc/passwd", users)
    _replace_lines(disk / "etc/group", groups)
    if root is not None:
        _fill_root(disk, root)


def _replace_lines(path: Path, lines: list[str]) -> None:
    names = tuple(line.partition(":")[0] + ":" for line in lines)
    kept = [line for line in path.read_text().splitlines() if not names or not line.startswith(names)]
    path.write_text("\n".join([*kept, *lines, ""]))


def _fill_root(disk: Path, root: Root) -> None:
    uid, gid = root.ids()
    inside = disk / "root"
    for shared in _SHARED_WITH_ASTERISK:
        (inside / shared).mkdir(parents=True, exist_ok=True)
    for owned in ("var/lib/asterisk", "var/log/asterisk", "var/spool/asterisk"):
        # What the package puts there (music, recorded names) belongs to Asterisk on a real machine as well.
        shutil.copytree(root.path / owned, disk / owned, symlinks=True, dirs_exist_ok=True)
        for path in (disk / owned, *(disk / owned).rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)
    for directory in ("agi-bin", "keys"):
        (disk / "var/lib/asterisk" / directory).mkdir(exist_ok=True)
    (inside / "etc/machine").mkdir(exist_ok=True)
    for file in ("hosts", "resolv.conf"):
        # Links into the machine's own /etc: a file that is replaced by a rename there is new here too.
        (inside / "etc" / file).unlink(missing_ok=True)
        (inside / "etc" / file).symlink_to(f"/etc/machine/{file}")
    _install_python_hop(inside, uid, gid)


def _reachable(path: Path) -> bool:
    """Whether everybody may come to this file, and to what it links to."""
    return all(
        parent.stat().st_mode & 0o001 for file in (path, path.resolve()) for parent in (*path.parents, *file.parents)
    )


def _install_python_hop(inside: Path, uid: int, gid: int) -> None:
    """python3-host, python3 and our own interpreter's path in the Asterisk root lead out to the machine.

    Asterisk is not root, and chroot(2) wants privilege, so a set-user-id copy of chroot does the step and gives
    the privilege back before Python starts.
    """
    shutil.copy(inside / "usr/sbin/chroot", inside / "usr/sbin/chroot-host")
    (inside / "usr/sbin/chroot-host").chmod(0o4755)
    hop = inside / _PYTHON_HOP
    # An interpreter below a private home is out of asterisk's reach: then only the real user id is asterisk's.
    drop = f"--userspec={uid}:{gid} --groups={gid} " if _reachable(Path(sys.executable)) else ""
    hop.write_text(f'#!/bin/sh\nexec /usr/sbin/chroot-host {drop}/proc/1/root {sys.executable} "$@"\n')
    hop.chmod(0o755)
    for alias in ("/usr/bin/python3", sys.executable, str(Path(sys.executable).with_name("python3"))):
        link = inside / alias.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/{_PYTHON_HOP}")
