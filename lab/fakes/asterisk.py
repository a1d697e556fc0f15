"""An Asterisk without an Asterisk, for where the real one cannot be had: `asterisk -rx` and the manager interface.

It reads the includes as Asterisk does and at once holds every registration that it finds there, at a carrier that is
a dict. What it says over AMI was recorded from real ones (ami.py); what it does is this file's word alone, so
nothing but the demo without root relies on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.computer.roots import Release
from lab.errors import LabError
from lab.fakes.ami import FakeAmi
from localized.asterisk.configuration import Conf, LocalDisk, read_conf

_REGISTER: Final = re.compile(r"(?P<user>[^:@]+)(?::[^@]*)?@(?P<host>[^:/~]+)")

_SHIM: Final = """\
#!{python} -IS
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.settimeout(5)
try:
    server.connect({control!r})
except OSError:
    sys.exit("Unable to connect to remote asterisk (does " + {control!r} + " exist?)")
server.sendall(sys.argv[sys.argv.index("-rx") + 1].encode() + b"\\n")
while part := server.recv(4096):
    sys.stdout.write(part.decode())
"""

Holders = dict[str, str]
"""What a carrier knows: account -> machine. The last one to register wins."""


class FakeAsterisk:
    """One machine's Asterisk.

    Attributes:
        command: a program that is called as `asterisk -rx COMMAND`.
        port: of its manager interface, once started.
    """

    def __init__(self, name: str, release: Release, etc: Path, holders: Holders) -> None:
        """
        Args:
            name: the machine.
            release: whose recorded words it speaks.
            etc: its configuration directory.
            holders: the carrier.
        """
        self.name = name
        self.release = release
        self._etc = etc
        self._holders = holders
        self._control = etc / "asterisk.ctl"
        self._ami = FakeAmi(release)
        self.command = etc / "asterisk"
        self.command.write_text(_SHIM.format(python=sys.executable, control=str(self._control)), encoding="utf-8")
        self.command.chmod(0o755)

    @property
    def port(self) -> int:
        """Of its manager interface."""
        return self._ami.port

    async def start(self) -> None:
        """Listens on both sockets, and registers what is included now."""
        await self._ami.__aenter__()
        self._server = await asyncio.start_unix_server(self._console, self._control)
        self._register()

    async def power_off(self) -> None:
        """Nothing of it answers any more; what the carrier last heard of it stays there."""
        self._server.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._control)  # noqa: PTH108 - a socket
        await self._ami.stop()

    async def _console(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = (await reader.readline()).decode().strip()
        writer.write(self._said(command).encode())
        await writer.drain()
        writer.close()

    def _said(self, command: str) -> str:
        if command == "core waitfullybooted":
            return "Asterisk has fully booted.\n"
        if command in ("sip reload", "iax2 reload"):
            self._register()
            return ""
        if command.startswith(("module reload ", "dialplan reload")):
            self._register()
            return f"Module '{command.split()[-1]}' reloaded successfully.\n"
        if command == "dialplan show globals":
            role = self._conf("extensions.conf").named("globals")
            settings = {entry.name: entry.value for section in role for entry in section.settings}
            return "".join(f"   {name}={value}\n" for name, value in settings.items())
        return f"No such command '{command}' (type 'core show help {command}' for other possible commands)\n"

    def _conf(self, name: str) -> Conf:
        found = read_conf(name, str(self._etc), LocalDisk())
        if found is None:
            raise LabError(f"{self._etc / name} is missing")
        return found

    def _register(self) -> None:
        sip = self._lines("sip.conf") if self.release == "16" else []
        iax = self._lines("iax.conf")
        pjsip = [
            {entry.name: entry.value for entry in section.settings}
            | {"id": section.name}
            for section in self._conf("pjsip.conf").sections
            if section.last("type") == "registration"
        ]  # fmt: skip
        if self.release == "16":
            self._ami.items["SIPshowregistry"] = [
                {"Host": host, "Username": user, "Domain": host, "State": "Registered"} for user, host in sip
            ]
        self._ami.items["IAXregistry"] = [
            {"Host": f"{host}:4569", "Username": user, "State": "Registered"} for user, host in iax
        ]
        self._ami.items["PJSIPShowRegistrationsOutbound"] = [
            {
                "ObjectName": one["id"],
                "ClientUri": one["client_uri"],
                "ServerUri": one["server_uri"],
                "Status": "Registered",
            }
            for one in pjsip
        ]
        accounts = [user for user, _ in (*sip, *iax)] + [_user(one) for one in pjsip]
        for account in accounts:
            self._holders[account] = self.name

    def _lines(self, name: str) -> list[tuple[str, str]]:
        found = []
        for section in self._conf(name).named("general"):
            for entry in section.settings:
                if entry.name == "register" and (match := _REGISTER.match(entry.value)):
                    found.append((match["user"], match["host"]))
        return found


def _user(registration: Mapping[str, str]) -> str:
    return registration["client_uri"].removeprefix("sip:").partition("@")[0]
