"""ssh between boston and dallas, as an admin sets it up for root: one key each, host keys known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lab.computer import disk
from lab.errors import LabError
from lab.world.machine import Machine


def introduce(machines: Sequence[Machine]) -> None:
    """Gives each machine a host key and a key of its root, and makes all of them known to all.

    Raises:
        LabError: ssh-keygen is missing or failed.
    """
    known, allowed = [], []
    for machine in machines:
        machine.path(f"{disk.HOME}/.ssh").mkdir(mode=0o700, exist_ok=True)
        machine.path("/etc/ssh").mkdir(exist_ok=True)
        host_key = _key(machine, "/etc/ssh/lab_host_key")
        known.append(f"{machine.name},{machine.address} {host_key}")
        allowed.append(_key(machine, f"{disk.HOME}/.ssh/id_ed25519"))
    for machine in machines:
        machine.write(f"{disk.HOME}/.ssh/known_hosts", "".join(known), mode=0o600)
        machine.write(f"{disk.HOME}/.ssh/authorized_keys", "".join(allowed), mode=0o600)
        machine.write("/etc/ssh/lab_sshd_config", _server(machine))


KEYS: Final = "/etc/hotstandby/localized/ssh"
"""Where failover has its own key and the peer's host key: docs/start/peer-ssh.md."""


def let_failover_ask(machine: Machine, peer: Machine) -> None:
    """Sets up on `machine`, as docs/start/peer-ssh.md says, that its failover may ask `peer`, and nothing else.

    Args:
        machine, peer: introduced already.

    Raises:
        LabError: ssh-keygen is missing or failed.
    """
    machine.path(KEYS).mkdir(mode=0o700)
    public = _key(machine, f"{KEYS}/peer_key")
    host_key = peer.path("/etc/ssh/lab_host_key.pub").read_text()
    machine.write(f"{KEYS}/known_hosts", f"{peer.name} {host_key}", mode=0o600)
    allowed = peer.path(f"{disk.HOME}/.ssh/authorized_keys")
    allowed.write_text(allowed.read_text() + f'restrict,command="failover peer" {public}')


def _key(machine: Machine, path: str) -> str:
    done = machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{machine.name}", "-f", path])
    if done.returncode != 0:
        raise LabError(f"no ssh key on {machine.name}: {done.stderr.strip()}")
    return machine.path(f"{path}.pub").read_text()


def _server(machine: Machine) -> str:
    environment = machine.environment()
    return f"""\
ListenAddress {machine.address}
HostKey /etc/ssh/lab_host_key
PidFile /run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
SetEnv PATH={environment["PATH"]} LANG={environment["LANG"]}
Subsystem sftp internal-sftp
"""
