"""The world: a carrier, two machines and a third name server, on one wire, for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from host.command import run
from lab.carrier.accounts import ADDRESSES, PAIR
from lab.carrier.carrier import Carrier
from lab.computer import roots
from lab.computer.namespaces import Namespace
from lab.computer.roots import Release
from lab.errors import LabError, LabUnavailable
from lab.world import dns, ssh
from lab.world.asterisk_config import machine_files
from lab.world.machine import Machine
from lab.world.pair_toml import INCLUDES, pair_toml, secrets

_TOOLS: Final = {"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "nft": "nftables"}

_UNSHARE: Final = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")

_SETUP: Final = """\
mount -t tmpfs -o mode=755 lab /run
mkdir -p /run/netns /run/lab
ip link set lo up
ip link add br0 type bridge forward_delay 0
ip link set br0 up
"""

_PROBE: Final = """\
set -e
mount -t tmpfs probe /run
mkdir /run/upper /run/work /run/seen /run/netns
mount -t overlay probe -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /run/seen
ip netns add probe
ip link add br0 type bridge
ip link add v0 type veth peer name v1 netns probe
echo 'table bridge lab { chain forward { type filter hook forward priority 0; }; }' | nft -f -
"""
"""One of each kind of thing that a world is made of."""

_CUTS: Final = "table bridge lab {{\n chain forward {{\n  type filter hook forward priority 0\n{rules}\n }}\n}}\n"


def available(release: Release | None = None) -> str | None:
    """Why a world, or an Asterisk of this release in it, cannot be had here; None when it can.

    Nothing is built: a root that is not there yet is a reason, and `python -m lab roots` removes it.
    """
    if os.geteuid() != 0:
        return "the world needs root: it makes namespaces and mounts"
    for tool, package in _TOOLS.items():
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return f"'{tool}' is missing: apt-get install {package}"
    if (reason := _no_namespaces()) is not None:
        return reason
    if release is not None and not roots.root(release).complete:
        return f"no Asterisk {release} here: build it with: {sys.executable} -m lab roots"
    return None


@functools.cache
def _no_namespaces() -> str | None:
    """Why this kernel, or the container that we are in, does not let us make what a world is made of."""
    done = run([*_UNSHARE, "sh", "-c", _PROBE], deadline_s=20)
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return f"this machine does not allow what a world needs: {said[0] if said else 'no reason was given'}"


class World:
    """A carrier, boston, dallas and ns3.

    Args:
        boston, dallas: Asterisk's major version on each.
        carrier: its Asterisk; 22 where that is built.
        expiry_s: registration expiry in pair.toml, seconds; below 12 a PJSIP client registers without a pause.
        iax_expiry_s: what the carrier grants to IAX2, whose clients always ask for 60 seconds.
        trunks: those of pair.toml to keep; all by default.
        required: trunks without which a promotion has failed.
        extra: TOML to add to pair.toml.
        start: machines whose Asterisk is started; the carrier's always is.
        named: whether BIND is started, now and at boot, on boston, dallas and ns3.
        witness: whether a third machine of the pair's is there, for etcd.
        sshd: whether root of boston and dallas may reach each other, and sshd is started on both.
    """

    def __init__(
        self,
        boston: Release = "16",
        dallas: Release = "22",
        *,
        carrier: Release | None = None,
        expiry_s: int = 60,
        iax_expiry_s: int = 60,
        trunks: Sequence[str] | None = None,
        required: Sequence[str] = ("acme",),
        extra: str = "",
        start: Sequence[str] = PAIR,
        named: bool = False,
        sshd: bool = False,
        witness: bool = False,
    ) -> None:
        self.releases: dict[str, Release] = {"boston": boston, "dallas": dallas}
        self.pair_toml = pair_toml(self.releases, expiry_s=expiry_s, trunks=trunks, required=required, extra=extra)
        self._carrier_release: Release | None = carrier
        self._iax_expiry_s = iax_expiry_s
        self._start = tuple(start)
        self._named = named
        self._sshd = sshd
        self._witness = witness
        self._lab: Namespace | None = None
        self._cuts: set[tuple[str, str]] = set()
        self._machines: dict[str, Machine] = {}

    def __enter__(self) -> Self:
        if reason := available():
            raise LabUnavailable(reason)
        carrier_release = self._carrier_release or ("22" if roots.root("22").complete else "16")
        for release in {carrier_release, *self.releases.values()}:
            roots.build(release, roots.to())
        self._lab = Namespace(_UNSHARE, _SETUP, name="the lab")
        try:
            self._make(carrier_release)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything; a second time does nothing."""
        if self._lab is not None:
            carrier = getattr(self, "carrier", None)
            if carrier is not None:
                carrier.close()
            self._lab.end()
            self._lab = None

    @property
    def machines(self) -> dict[str, Machine]:
        """All machines by name."""
        return dict(self._machines)

    @property
    def witness(self) -> Machine:
        """The machine for etcd.

        Raises:
            LabError: the world was opened without one.
        """
        if "witness" not in self._machines:
            raise LabError("there is no witness: open the world with witness=True")
        return self._machines["witness"]

    def peer_of(self, machine: Machine) -> Machine:
        """The other machine of the pair."""
        return self.dallas if machine is self.boston else self.boston

    # Faults on the wire

    def cut(self, one: str, other: str) -> None:
        """Drops everything between two machines, both ways; each still reaches everybody else."""
        for name in (one, other):
            if name not in self._machines:
                raise LabError(f"'{name}' is no machine; there are {', '.join(self._machines)}")
        self._cuts |= {(one, other), (other, one)}
        self._apply_cuts()

    def heal(self) -> None:
        """Takes back every cut."""
        self._cuts.clear()
        self._apply_cuts()

    def _apply_cuts(self) -> None:
        assert self._lab is not None
        rules = []
        for one, other in sorted(self._cuts):
            for source in self.machines[one].addresses:
                rules += [f"  ip saddr {source} ip daddr {target} drop" for target in self.machines[other].addresses]
        text = "table bridge lab\ndelete table bridge lab\n" + _CUTS.format(rules="\n".join(rules))
        done = run([*self._lab.enter("mount", "net", "pid"), "nft", "-f", "-"], deadline_s=10, input=text.encode())
        if done.returncode != 0:
            raise LabError(f"nft: {done.stderr.strip()}")

    # How it is made

    def _make(self, carrier_release: Release) -> None:
        assert self._lab is not None
        lab = self._lab
        self.carrier = Carrier(lab, roots.root(carrier_release))
        self.boston = Machine(lab, "boston", roots.root(self.releases["boston"]))
        self.dallas = Machine(lab, "dallas", roots.root(self.releases["dallas"]))
        self.ns3 = Machine(lab, "ns3", None)
        made = [self.carrier, self.boston, self.dallas, self.ns3]
        if self._witness:
            made.append(Machine(lab, "witness", None))
        self._machines = {machine.name: machine for machine in made}
        for machine in self.machines.values():
            self._write_names(machine)
            machine.power_on()
        self.carrier.prepare(iax_expiry_s=self._iax_expiry_s)
        self.carrier.boot_services = ["asterisk"]
        for name in PAIR:
            self._write_machine(self.machines[name])
        for machine in (self.boston, self.dallas, self.ns3):
            machine.write_named()
        started = [self.carrier, *(self.machines[name] for name in self._start)]
        for machine in started:
            machine.boot_services = ["asterisk"]
            machine.launch_asterisk()
        _all_at_once(machine.await_asterisk for machine in started)
        self.carrier.manager()
        if self._named:
            for machine in (self.boston, self.dallas, self.ns3):
                machine.boot_services.append("named")
            _all_at_once(machine.start_named for machine in (self.boston, self.dallas, self.ns3))
        if self._sshd:
            ssh.introduce([self.boston, self.dallas])
            for name in PAIR:
                self.machines[name].boot_services.append("sshd")
                self.machines[name].start_sshd()

    def _write_names(self, machine: Machine) -> None:
        lines = ["127.0.0.1\tlocalhost", *(f"{address}\t{name}" for name, address in ADDRESSES.items())]
        machine.write("/etc/hosts", "\n".join([*lines, ""]))
        machine.write("/etc/hostname", f"{machine.name}\n")
        server = f"nameserver {ADDRESSES['ns3']}\n" if self._named else ""
        machine.write("/etc/resolv.conf", f"{server}options timeout:1 attempts:1\n")

    def _write_machine(self, machine: Machine) -> None:
        assert machine.root is not None
        for name, text in machine_files(machine.root, machine.name).items():
            secret = name == "manager.conf"
            machine.write(f"/etc/asterisk/{name}", text, mode=0o640 if secret else 0o644, group="asterisk")
        machine.write("/etc/hotstandby/pair.toml", self.pair_toml)
        machine.path("/etc/hotstandby/secrets").mkdir(mode=0o750)
        for name, text in secrets().items():
            machine.write(f"/etc/hotstandby/secrets/{name}", text, mode=0o600)
        localized = machine.path("/etc/hotstandby/localized")
        machine.write("/etc/hotstandby/localized/machine", f"{machine.name}\n")
        for name in INCLUDES:
            machine.write(f"/etc/hotstandby/localized/generations/0-empty/asterisk/{name}", "")
        machine.write(
            "/etc/hotstandby/localized/generations/0-empty/named/zones.conf", dns.zone_statement(machine.name)
        )
        for link in ("current", "current-dns"):
            (localized / link).symlink_to("generations/0-empty")
        machine.path("/var/lib/hotstandby").mkdir(exist_ok=True)


def _all_at_once(calls: Iterable[Callable[[], None]]) -> None:
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(4))
        for future in [pool.submit(call) for call in calls]:
            future.result()
