"""An Asterisk without an Asterisk: `asterisk -rx`, the manager interface, a log, and registrations at a carrier.

It reads what belongs to the module that is reloaded, as Asterisk does: only where the size or mtime of a file is
another than last time (main/config.c), and not at all where the file is refused, so that it goes on with what it had
and says so in its log alone. What it says over AMI was recorded from real ones (ami.py). That a real Asterisk answers
alike is shown by tests/world/lab/test_fake_asterisk.py, which asks both the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from lab.computer.roots import Release
from lab.fakes.ami import Action, Connection, FakeAmi
from lab.fakes.recording import ACTION_ID
from localized.asterisk.configuration import Conf, LocalDisk, read_conf
from localized.asterisk.sorcery import ObjectSource, duplicates, objects
from localized.render.register_line import read_iax, read_sip_line

START_ANEW: Final = "start anew"
WHAT_WAS_READ: Final = "what was read"
"""Commands of no real Asterisk, for a fake in another process."""
RETRY_S: Final = 0.05
"""Seconds after which a driver that has not given up asks its carrier again; real ones take 5 to 60."""

_SHIM: Final = """\
#!{python} -IS
import socket, sys
server = socket.socket(socket.AF_UNIX)
try:
    server.connect({control!r})
except OSError:
    sys.exit("Unable to connect to remote asterisk (does " + {control!r} + " exist?)")
server.sendall(sys.argv[sys.argv.index("-rx") + 1].encode() + b"\\n")
while part := server.recv(65536):
    sys.stdout.write(part.decode())
"""


class Reply(Enum):
    """What a carrier answers a REGISTER with."""

    REGISTERED = "Registered"
    REFUSED = "Rejected"
    SILENCE = "Request Sent"


@dataclass
class FakeRegistrar:
    """The carriers of a pair.

    Attributes:
        holders: account -> machine whose calls it takes. The last one to register wins.
        replies: account -> what it answers, where it is not registered as asked.
        exclusive: accounts of which it refuses a second registration while another machine holds the first.
    """

    holders: dict[str, str] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    exclusive: set[str] = field(default_factory=set)

    def register(self, account: str, machine: str) -> Reply:
        """What a REGISTER of `machine` comes to."""
        reply = self.replies.get(account, Reply.REGISTERED)
        if reply is Reply.REGISTERED and account in self.exclusive and self.holders.get(account, machine) != machine:
            return Reply.REFUSED
        if reply is Reply.REGISTERED:
            self.holders[account] = machine
        return reply

    def unregister(self, account: str, machine: str) -> None:
        """PJSIP takes its binding back; the other drivers leave it."""
        if self.holders.get(account) == machine:
            del self.holders[account]


@dataclass
class _Registration:
    """One that a driver holds.

    Attributes:
        account: as the carrier knows it.
        item: what the list says of it, but for the state.
        reply: the carrier's last one.
    """

    account: str
    host: str
    item: Mapping[str, str]
    reply: Reply = Reply.SILENCE


@dataclass(frozen=True)
class _Driver:
    """A module that registers.

    Attributes:
        file: that its configuration begins with.
        list_action: that shows what came of it.
        gives_up: after a refusal, until it is reloaded.
        silence: the word of its list while nothing is answered.
    """

    file: str
    list_action: str
    gives_up: bool
    silence: str


_DRIVERS: Final[Mapping[str, _Driver]] = {
    "sip": _Driver("sip.conf", "SIPshowregistry", True, "Request Sent"),
    "iax2": _Driver("iax.conf", "IAXregistry", False, "Request Sent"),
    "pjsip": _Driver("pjsip.conf", "PJSIPShowRegistrationsOutbound", False, "Unregistered"),
}
_RELOADS: Final = {
    "sip reload": "sip",
    "iax2 reload": "iax2",
    "module reload chan_sip.so": "sip",
    "module reload chan_iax2.so": "iax2",
    "module reload res_pjsip.so": "pjsip",
}
_REGISTRATIONS: Final = ObjectSource("config", "pjsip.conf", (("type", "registration"),))

Read = dict[str, dict[str, str]]
"""First file of a module -> each file that it includes and has read, by name, and what stood there."""


class FakeAsterisk:
    """One machine's Asterisk.

    Attributes:
        command: a program that is called as `asterisk -rx COMMAND`.
        log: the file that it logs to. Asterisk cuts its path to 35 characters where it shows it: a longer one is found
            where its directory is not cut.
        words: command -> what it answers in place of what it would.
        without: channels whose modules are not loaded.
        commands: every command that it was given, in order.
    """

    def __init__(
        self, name: str, release: Release, etc: Path, registrar: FakeRegistrar, *, control: Path | None = None
    ) -> None:
        """
        Args:
            name: the machine.
            release: whose recorded words it speaks.
            etc: its configuration directory; it need not be there yet.
            registrar: the carriers.
            control: a directory for its socket, its command and its log; `etc` where it is None.
        """
        self.name = name
        self.release = release
        self.registrar = registrar
        self.words: dict[str, str] = {}
        self.without: set[str] = {"sip"} if release == "22" else set()
        self.commands: list[str] = []
        self._etc = etc
        directory = control or etc
        self._control = directory / "asterisk.ctl"
        self.log = directory / "log"
        self.log.touch()
        self._ami = FakeAmi(release)
        self._stats: dict[str, Mapping[str, tuple[int, int]]] = {}
        self._read: Read = {}
        self._refused: dict[str, str] = {}
        self._held: dict[str, dict[str, _Registration]] = {channel: {} for channel in _DRIVERS}
        self._globals: dict[str, str] = {}
        self._awake = asyncio.Event()
        self._consoles: set[asyncio.Task[None]] = set()
        self.command = directory / "asterisk"
        self.command.write_text(_SHIM.format(python=sys.executable, control=str(self._control)), encoding="utf-8")
        self.command.chmod(0o755)

    @property
    def port(self) -> int:
        """Of its manager interface, once started."""
        return self._ami.port

    async def start(self) -> None:
        """Listens on both sockets, and registers what is included now."""
        self._loop = asyncio.get_running_loop()
        await self._ami.__aenter__()
        self._server = await asyncio.start_unix_server(self._console, self._control)
        self._awake.set()
        self.start_anew()
        self._retrying = asyncio.create_task(self._retry())

    def start_anew(self) -> None:
        """Reads everything, as after a start."""
        self._stats.clear()
        self._held = {channel: {} for channel in _DRIVERS}
        self._globals = {}
        for channel in _DRIVERS:
            self._reload(channel)
        self._reload_dialplan()

    async def power_off(self) -> None:
        """Nothing of it answers any more; what the carrier last heard of it stays there."""
        self._server.close()
        ending = (self._retrying, *self._consoles)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._ami.thaw()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._control)  # noqa: PTH108 - a socket
        await self._ami.stop()

    def kill(self) -> None:
        """`power_off`, from another thread than the one that it runs in."""
        asyncio.run_coroutine_threadsafe(self.power_off(), self._loop).result(30)

    def boot(self) -> None:
        """`start`, from another thread than the one that it runs in."""
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result(30)

    def freeze(self) -> None:
        """As after SIGSTOP: connections stay open, and nobody answers. From any thread."""
        self._loop.call_soon_threadsafe(self._awake.clear)
        self._loop.call_soon_threadsafe(self._ami.freeze)

    def thaw(self) -> None:
        """Goes on where it stood."""
        self._loop.call_soon_threadsafe(self._awake.set)
        self._loop.call_soon_threadsafe(self._ami.thaw)

    def refuse(self, first: str, words: str) -> None:
        """From now on the file of a module is refused, whatever it holds, with these words in the log; empty: not."""
        self._refused[first] = words

    def listed(self) -> dict[str, str]:
        """What its lists show: each account, and the driver's word."""
        return {
            one.account: _state(channel, one.reply) for channel, held in self._held.items() for one in held.values()
        }

    async def _console(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._consoles.add(task)
        task.add_done_callback(self._consoles.discard)
        # A cancelled console is one whose Asterisk is gone: asyncio.start_unix_server would report it otherwise.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            command = (await reader.readline()).decode().strip()
            await self._awake.wait()
            writer.write(self.answer(command).encode())
            await writer.drain()
        writer.close()

    def answer(self, command: str) -> str:
        """What `asterisk -rx` prints."""
        self.commands.append(command)
        if command in self.words:
            return self.words[command]
        if command == START_ANEW:
            self.start_anew()
            return ""
        if command == WHAT_WAS_READ:
            return json.dumps(self._read)
        if command == "core waitfullybooted":
            return "Asterisk has fully booted.\n"
        if command in _RELOADS:
            return self._reloaded(command, _RELOADS[command])
        if command in ("module reload pbx_config.so", "dialplan reload"):
            self._reload_dialplan()
            return "Module 'pbx_config.so' reloaded successfully.\n" if "module" in command else "Dialplan reloaded.\n"
        if command.startswith("module reload "):
            return f"No such module '{command.split()[-1]}'\n"
        if command.startswith("pjsip send register "):
            self._ask_again("pjsip", command.split()[-1])
            return ""
        if command == "dialplan show globals":
            settings = "".join(f"   {name}={value}\n" for name, value in self._globals.items())
            return f"{settings}\n    -- {len(self._globals)} variable(s)\n"
        if command == "logger show channels":
            return f"{self.log!s:<35.35} File     default    Enabled    - {_LEVELS}\n"
        return f"No such command '{command}' (type 'core show help {command}' for other possible commands)\n"

    def _reloaded(self, command: str, channel: str) -> str:
        if channel in self.without:
            module = command.split()[-1]
            if command.startswith("module"):
                return f"No such module '{module}'\n"
            return f"No such command '{command}' (type 'core show help {command}' for other possible commands)\n"
        self._reload(channel)
        return f"Module '{command.split()[-1]}' reloaded successfully.\n" if command.startswith("module") else ""

    def _reload(self, channel: str) -> None:
        if channel in self.without:
            self._show(channel)
            return
        driver = _DRIVERS[channel]
        conf = self._changed(driver.file)
        if conf is not None:
            wanted = _registrations(channel, conf)
            held = self._held[channel]
            for gone in held.keys() - wanted.keys():
                if channel == "pjsip":
                    self.registrar.unregister(held[gone].account, self.name)
            # PJSIP alone goes on with what has not changed; the others begin anew.
            same = {
                key: held[key]
                for key, one in wanted.items()
                if channel == "pjsip" and key in held and held[key].item == one.item
            }
            self._held[channel] = {**wanted, **same}
            self._register(channel, [one for key, one in self._held[channel].items() if key not in same])
        elif driver.gives_up:
            # chan_sip sends all of its registrations anew at each reload.
            self._register(channel, self._held[channel].values())
        self._show(channel)

    def _changed(self, first: str) -> Conf | None:
        """The configuration that begins with a file; None where Asterisk does not take it: unchanged, or refused."""
        conf = read_conf(first, str(self._etc), LocalDisk())
        if conf is None:
            return None
        files = [Path(path) for path in (f"{self._etc}/{first}", *(one.path for one in conf.includes))]
        stats = {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}
        if self._stats.get(first) == stats:
            return None
        self._stats[first] = stats
        if refusal := self._refused.get(first) or _refusal(first, conf):
            self._say("ERROR", refusal)
            return None
        self._read[first] = {path.name: path.read_text() for path in files[1:]}
        return conf

    def _reload_dialplan(self) -> None:
        conf = self._changed("extensions.conf")
        first = next(conf.named("globals"), None) if conf is not None else None
        if conf is not None:
            self._globals = {one.name: one.value for one in (first.settings if first is not None else ())}

    def _register(self, channel: str, some: Iterable[_Registration]) -> None:
        for one in some:
            before, one.reply = one.reply, self.registrar.register(one.account, self.name)
            if one.reply is Reply.REFUSED and before is not Reply.REFUSED:
                self._say("WARNING", _ANSWERS[channel].format(account=one.account, host=one.host))

    def _ask_again(self, channel: str, name: str) -> None:
        self._register(channel, [one for key, one in self._held[channel].items() if key == name])
        self._show(channel)

    async def _retry(self) -> None:
        """Drivers that have not given up ask again."""
        while True:
            await asyncio.sleep(RETRY_S)
            await self._awake.wait()
            for channel, held in self._held.items():
                open_ones = [
                    one
                    for one in held.values()
                    if one.reply is Reply.SILENCE or (one.reply is Reply.REFUSED and not _DRIVERS[channel].gives_up)
                ]
                if open_ones:
                    self._register(channel, open_ones)
                    self._show(channel)

    def _show(self, channel: str) -> None:
        action = _DRIVERS[channel].list_action
        if channel in self.without:
            self._ami.handlers[action] = _unknown
            return
        self._ami.handlers.pop(action, None)
        key = "Status" if channel == "pjsip" else "State"
        self._ami.items[action] = [
            {**one.item, key: _state(channel, one.reply)} for one in self._held[channel].values()
        ]

    def _say(self, level: str, words: str) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"[Nov 26 04:00:00] {level}[1234] fake.c: {words}\n")


_LEVELS: Final = "ERROR NOTICE WARNING"
_ANSWERS: Final = {
    "sip": "Forbidden - wrong password on authentication for REGISTER for '{account}' to '{host}'",
    "iax2": "Registration of '{account}' rejected: 'Registration Refused' from: '{host}'",
    "pjsip": "Temporal response '403' received from 'sip:{host}' on registration attempt to 'sip:{account}@{host}', "
    "retrying in '5'",
}


async def _unknown(connection: Connection, action: Action) -> None:
    words = f"Invalid/unknown command: {action['Action']}. Use Action: ListCommands to show available commands."
    connection.send([("Response: Error", f"ActionID: {ACTION_ID}", f"Message: {words}")], action)


def _state(channel: str, reply: Reply) -> str:
    return _DRIVERS[channel].silence if reply is Reply.SILENCE else reply.value


def _refusal(first: str, conf: Conf) -> str:
    """Asterisk's sentence where it refuses the whole of a file; empty where it takes it."""
    named = f"config file '{first}'" if first == "pjsip.conf" else first
    if conf.refused is not None:
        return f"Contents of {named} are invalid and cannot be parsed"
    if first == "pjsip.conf" and (twice := next(duplicates(conf, _REGISTRATIONS), None)):
        return (
            f"Config file '{first}' could not be loaded; configuration contains a duplicate object: "
            f"'{twice[0].name}' of type 'registration'"
        )
    return ""


def _registrations(channel: str, conf: Conf) -> dict[str, _Registration]:
    found = {}
    if channel == "pjsip":
        for section in objects(conf, _REGISTRATIONS):
            one = {setting.name: setting.value for setting in section.settings}
            account, _, host = one["client_uri"].removeprefix("sip:").partition("@")
            item = {"ObjectName": section.name, "ClientUri": one["client_uri"], "ServerUri": one["server_uri"]}
            item |= {shown: one[name] for name, shown in _SHOWN.items() if name in one}
            found[section.name] = _Registration(account, host, item)
        return found
    first = next(conf.named("general"), None)
    for setting in first.settings if first is not None else ():
        if setting.name != "register":
            continue
        if channel == "sip" and (sip := read_sip_line(setting.value)) is not None:
            item = {"Host": sip.host, "Port": sip.port or "5060", "Username": sip.username, "Domain": sip.host}
            found[setting.value] = _Registration(sip.username, sip.host, item)
        elif channel == "iax2" and (iax := read_iax(setting.value)) is not None:
            item = {"Host": f"{iax.host}:{iax.port or 4569}", "Username": iax.username}
            found[setting.value] = _Registration(iax.username, iax.host, item)
    return found


_SHOWN: Final = {
    "max_retries": "MaxRetries",
    "retry_interval": "RetryInterval",
    "forbidden_retry_interval": "ForbiddenRetryInterval",
    "fatal_retry_interval": "FatalRetryInterval",
    "expiration": "Expiration",
    "contact_user": "ContactUser",
    "outbound_auth": "OutboundAuth",
}


@contextmanager
def fake_asterisk(asterisk: FakeAsterisk) -> Iterator[FakeAsterisk]:
    """Runs one beside the caller, in a thread of its own, until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(asterisk.start(), loop).result(30)
        yield asterisk
    finally:
        asterisk.kill()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


class ForkedAsterisk:
    """One that runs in a process of its own, for whoever forks.

    Attributes:
        command: to be called as `asterisk`.
        port: of its manager interface.
    """

    def __init__(self, command: Path, port: int, control: Path) -> None:
        self.command = command
        self.port = port
        self._control = control

    def start_anew(self) -> None:
        """Reads everything, as after a start."""
        self._ask(START_ANEW)

    def read(self) -> Read:
        """What each module has read."""
        found: Read = json.loads(self._ask(WHAT_WAS_READ))
        return found

    def _ask(self, what: str) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self._control))
            client.sendall(what.encode() + b"\n")
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()


@contextmanager
def forked_asterisk(asterisk: FakeAsterisk, control: Path) -> Iterator[ForkedAsterisk]:
    """Runs one in a process of its own until the end of the block.

    Args:
        asterisk: not started yet.
        control: the directory that it was given.
    """
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(_serve(asterisk, tell))
        finally:
            os._exit(1)
    try:
        os.close(tell)
        with os.fdopen(ready) as told:
            yield ForkedAsterisk(asterisk.command, int(told.readline()), control / "asterisk.ctl")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


async def _serve(asterisk: FakeAsterisk, tell: int) -> None:
    await asterisk.start()
    os.write(tell, f"{asterisk.port}\n".encode())
    await asyncio.Event().wait()
