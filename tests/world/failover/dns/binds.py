"""Four BINDs on loopback addresses: boston and dallas with localized directories, ns3, and the parent zone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.four_name_servers import ADDRESSES, KEY, NET, PHONES, SERIAL, ZONE, FourServers, Server, free_port

__all__ = ["ADDRESSES", "KEY", "NET", "PHONES", "SERIAL", "ZONE", "Bind", "Binds", "free_port", "missing"]


def missing() -> str | None:
    """Why there is no such world here, or None."""
    wanted = ("named", "rndc", "named-checkconf", "named-checkzone", "named-compilezone", "ip")
    absent = [name for name in wanted if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if os.geteuid() == 0 else "needs root: named only listens on addresses that an interface has"


@contextlib.contextmanager
def loopback_addresses() -> Iterator[None]:
    """Gives the loopback interface our addresses for a while; what it had stays."""
    added = []
    try:
        for address in ADDRESSES.values():
            argv = ["ip", "address", "add", f"{address}/32", "dev", "lo"]
            if subprocess.run(argv, check=False, capture_output=True).returncode == 0:
                added.append(address)
        yield
    finally:
        for address in added:
            subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=False)


@dataclass
class Bind(Server):
    """One named."""

    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = ["named", "-g", "-n", "1", "-c", str(self.directory / "named.conf")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    @property
    def log(self) -> str:
        """What it has said since it was first started."""
        return (self.directory / "log").read_text(errors="replace")

    def rests(self) -> bool:
        """Whether it asks nobody and transfers nothing."""
        said = subprocess.run([*self.rndc, "status"], capture_output=True, text=True, check=True).stdout
        return all(
            re.search(rf"^{what}: 0", said, re.MULTILINE) for what in ("soa queries in progress", "xfers running")
        )


@dataclass
class Binds(FourServers[Bind]):
    """Four named."""

    def make(self, name: str, directory: Path) -> Bind:
        return Bind(name, directory, self.port)

    @contextlib.contextmanager
    def clock_off(self, name: str) -> Iterator[None]:  # noqa: ARG002 - it is ours that is wrong
        real = time.time
        time.time = lambda: real() - 3600
        try:
            yield
        finally:
            time.time = real
