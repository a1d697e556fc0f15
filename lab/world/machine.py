"""A machine of the world: a computer with Asterisk, BIND and an ssh server on it, each started on demand."""

from __future__ import annotations

import re
import signal

from lab.computer.computer import Computer
from lab.computer.namespaces import Namespace, signal_all
from lab.computer.roots import Root
from lab.errors import LabError
from lab.until import HANG_S, until
from lab.world import dns


class Machine(Computer):
    """A machine; made by World."""

    def __init__(self, lab: Namespace, name: str, root: Root | None) -> None:
        super().__init__(lab, name, root)
        self._starters |= {
            "asterisk": self.start_asterisk,
            "named": self.start_named,
            "sshd": self.start_sshd,
        }

    # Asterisk

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

    def start_asterisk(self, *, deadline_s: float = HANG_S) -> None:
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

    def await_asterisk(self, *, deadline_s: float = HANG_S) -> None:
        """Returns when Asterisk has booted fully.

        Raises:
            LabError: it ended, or is not ready by the deadline; with its last lines.
        """
        control = self.path("/run/asterisk/asterisk.ctl")

        def booted() -> bool:
            if not control.exists():
                return False
            done = self.run(["asterisk", "-rx", "core waitfullybooted"], deadline_s=deadline_s)
            return "fully booted" in done.stdout

        what = f"a booted Asterisk on {self.name}"
        until(booted, what, told=self._last_lines, lives=lambda: self.asterisk_running, deadline_s=deadline_s)

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
        return daemon is not None and daemon.running

    def _last_lines(self) -> str:
        printed = self._services["asterisk"].output().strip().splitlines()
        log = self.path("/var/log/asterisk/messages")
        logged = log.read_text(errors="replace").splitlines() if log.exists() else []
        return " | ".join([*printed[-3:], *logged[-5:]]) or "it said nothing"

    def calls(self) -> list[str]:
        """The calls that its dialplan took, oldest first, as "SIP 5551000 6175550100": driver, number, caller.

        Written by extensions_inbound.conf as it is at the start; a test that replaces that file writes its own.
        """
        log = self.path("/var/log/asterisk/calls")
        return log.read_text().splitlines() if log.exists() else []

    def freeze(self) -> None:
        """Stops its Asterisk where it is (SIGSTOP): connections stay open and nobody answers."""
        self._signal_asterisk(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets its Asterisk go on (SIGCONT)."""
        self._signal_asterisk(signal.SIGCONT)

    def _signal_asterisk(self, number: int) -> None:
        pids = self.processes("asterisk")
        if not pids:
            raise LabError(f"no Asterisk runs on {self.name}")
        signal_all(pids, number)

    # BIND

    def write_named(self) -> None:
        """Writes /etc/bind, and the zone where this machine is its primary."""
        for name, (text, mode) in dns.files(self.name).items():
            self.write(f"/etc/bind/{name}", text, mode=mode)
        if self.name == "boston":
            self.write(f"/var/lib/bind/{dns.ZONE}.zone", dns.zone_file())

    def start_named(self, *, deadline_s: float = HANG_S) -> None:
        """Starts BIND and returns when rndc reaches it.

        Raises:
            LabError: it ended or is not ready by the deadline; with its last lines.
        """
        daemon = self._services.get("named")
        if daemon is not None and daemon.poll() is None:
            return
        daemon = self._services["named"] = self.spawn(["named", "-g", "-c", "/etc/bind/named.conf"], name="named")
        daemon.until(
            lambda: self.run(["rndc", "status"], deadline_s=deadline_s).returncode == 0,
            f"an answer of BIND on {self.name}",
            deadline_s=deadline_s,
        )

    def stop_named(self, *, deadline_s: float = 10.0) -> None:
        """Ends BIND as `systemctl stop` would."""
        if (daemon := self._services.pop("named", None)) is not None:
            daemon.terminate(deadline_s)

    # ssh

    def start_sshd(self, *, deadline_s: float = HANG_S) -> None:
        """Starts an ssh server that lets root of the other machine in, and returns when it listens.

        Raises:
            LabError: it ended or does not listen by the deadline.
        """
        if not self.path("/etc/ssh/lab_host_key").exists():
            raise LabError(f"{self.name} has no ssh keys: open the world with sshd=True")
        daemon = self._services.get("sshd")
        if daemon is not None and daemon.poll() is None:
            return
        argv = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/lab_sshd_config"]
        daemon = self._services["sshd"] = self.spawn(argv, name="sshd")
        self.await_port(self.address, 22, daemon, deadline_s=deadline_s)

    def stop_sshd(self, *, deadline_s: float = 5.0) -> None:
        """Ends the ssh server; sessions that are open go on."""
        if (daemon := self._services.pop("sshd", None)) is not None:
            daemon.terminate(deadline_s)


def _without_terminal_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
