"""Both machines of a pair on directories of their own, in this process: two fake Asterisks, one carrier, one fake ssh.

A command of one machine runs here as it would there; what it asks the peer is answered by the real service over the
peer's own directories. So a promotion, its demotion over there and what a kill leaves run whole, without root.

The carrier watches the one rule: nobody registers a shared account while the other machine holds the right, or still
registers it itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import grp
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal
from unittest import mock

import pytest

from failover import command as failover_command
from failover import peer_handlers
from failover.context import Context
from failover.peer.messages import encode_answer
from failover.peer.service import Asker, answer
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes import own_asterisk
from failover.probes.asterisk_process import AsteriskProcess
from failover.state import local_state
from host import command as host_command
from host.command import CommandLate, Finished
from host.places import Places
from lab.carrier.accounts import account
from lab.computer.roots import Release
from lab.fakes.asterisk import FakeAsterisk, FakeRegistrar, Reply
from lab.world.pair_toml import INCLUDES, pair_toml, secrets
from localized.prepare import prepare
from localized.role import Role
from pair import Asterisk, parse

Name = Literal["boston", "dallas"]
RELEASES: Final[Mapping[str, Release]] = {"boston": "16", "dallas": "22"}
TRUNKS: Final = ("acme", "nova")
ACCOUNTS: Final = tuple(account(trunk).username for trunk in TRUNKS)
"""The shared accounts, which one machine at a time may register."""

CONFIGURATION: Final = {
    "asterisk.conf": "[directories]\nastrundir => {etc}\n",
    "sip.conf": '[general]\n#include "{current}/sip-registrations.conf"\n#include "{current}/sip-address.conf"\n',
    "iax.conf": '[general]\n#include "{current}/iax-registrations.conf"\n',
    "pjsip.conf": (
        '[transport-udp]\ntype = transport\nprotocol = udp\n#include "{current}/pjsip-address.conf"\n'
        '#include "{current}/pjsip-auth.conf"\n#include "{current}/pjsip-registrations.conf"\n'
    ),
    "extensions.conf": '[globals]\n#include "{current}/role.conf"\n',
}


class Ssh(Enum):
    """How a machine behaves when it is asked over ssh."""

    ANSWERS = "answers"
    HANGS = "hangs"
    """Its power is off, or it is frozen: nothing is heard, and nothing is done."""
    REFUSED = "refused"
    """It is alive, and its sshd is not."""
    UNKNOWN_KEY = "unknown key"
    LOST_ANSWER = "lost answer"
    """It does what it is asked, and the connection dies before its answer."""
    OLD_VERSION = "old version"
    """It has never heard of what it is asked, but for its status."""
    OTHER_PROGRAM = "other program"
    """Its forced command is not ours."""


class FakePbx(FakeAsterisk):
    """One machine's Asterisk.

    Attributes:
        up: it runs.
        frozen: it runs, and answers nobody.
        calls: live ones.
    """

    def __init__(self, name: str, release: Release, etc: Path, registrar: FakeRegistrar) -> None:
        self.up = self.frozen = False
        self.calls = 0
        super().__init__(name, release, etc, registrar)

    def answer(self, command: str) -> str:
        if command == "core show channels count":
            return f"{self.calls} active channels\n{self.calls} active calls\n0 calls processed\n"
        if command.startswith("dialplan set global "):
            self.commands.append(command)
            _, _, _, name, value = command.split()
            return f"\n    -- Global variable '{name}' set to '{value}'\n"
        return super().answer(command)

    def turn_deaf(self) -> None:
        """It takes every reload, and goes on with what it had."""
        for file in ("sip.conf", "iax.conf", "pjsip.conf"):
            self.refuse(file, f"{file} cannot be read")

    def close_manager(self) -> None:
        """Its manager interface is closed; it takes commands."""
        asyncio.run_coroutine_threadsafe(self._ami.stop(), self._loop).result(30)

    @property
    def shared(self) -> set[str]:
        """Shared accounts that it registers, or tries to."""
        return set(self.listed()) & set(ACCOUNTS)


class Carrier(FakeRegistrar):
    """The carrier, which watches who registers.

    Attributes:
        refused: (machine, account) that it refuses.
    """

    def __init__(self, machines: TwoMachines) -> None:
        super().__init__()
        self.refused: set[tuple[str, str]] = set()
        self._machines = machines

    def register(self, account: str, machine: str) -> Reply:
        self._machines.heard(account, machine)
        return Reply.REFUSED if (machine, account) in self.refused else super().register(account, machine)


@dataclass
class Machine:
    """One machine: what it is, and what is wrong with it.

    Attributes:
        hosts: its /etc/hosts.
        ssh: how it behaves when it is asked.
        ssh_says: the asker's ssh ends with these words instead; None: it does not.
        dead: nothing of it answers.
        asked: every request over ssh, in order.
    """

    context: Context
    pbx: FakePbx
    hosts: Path
    ssh: Ssh = Ssh.ANSWERS
    ssh_says: str | None = None
    dead: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.context.machine

    @property
    def places(self) -> Places:
        return self.context.places

    @property
    def is_primary(self) -> bool:
        """By its own files."""
        return local_state.read_state(self.places, self.name).is_primary

    def environment(self) -> dict[str, str]:
        return {
            "HOTSTANDBY_CONFIG": str(self.places.config),
            "HOTSTANDBY_STATE": str(self.places.state),
            "HOTSTANDBY_RUN": str(self.places.run),
        }


@dataclass(frozen=True)
class Typed:
    """How a command ended."""

    exit: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class VirtualTime:
    """Time that passes when somebody sleeps; for what waits for a minute."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds

    def time(self) -> float:
        return time.time()


class TwoMachines:
    """boston and dallas.

    Attributes:
        carrier: who registered what last.
        violations: whenever two living machines held one account.
    """

    def __init__(self, directory: Path, loop: Loop, extra: str = "") -> None:
        self.carrier = Carrier(self)
        self.machines: dict[str, Machine] = {}
        self.violations: list[str] = []
        self.time = VirtualTime()
        self.pbxes: dict[str, FakePbx] = {}
        self._loop = loop
        for name in RELEASES:
            self.pbxes[name] = FakePbx(name, RELEASES[name], _disk(directory / name), self.carrier)
            loop.do(self.pbxes[name].start())
            self.pbxes[name].up = True
        text = self._pair_toml(directory, extra)
        pair = parse(text.encode(), Path("pair.toml"))
        for name, pbx in self.pbxes.items():
            home = directory / name
            places = Places(home / "config", home / "state", home / "run")
            places.pair_toml.write_text(text, encoding="utf-8")
            self.machines[name] = Machine(Context(places, pair, name), pbx, home / "hosts")

    @property
    def boston(self) -> Machine:
        return self.machines["boston"]

    @property
    def dallas(self) -> Machine:
        return self.machines["dallas"]

    def peer_of(self, machine: Machine) -> Machine:
        return self.machines[machine.context.peer]

    def _pair_toml(self, directory: Path, extra: str) -> str:
        user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        own = "".join(
            f'[machines.{name}.asterisk]\ncommand = "{pbx.command}"\nconfig_dir = "{directory / name / "etc"}"\n'
            f'user = "{user}"\ngroup = "{group}"\nami.port = {pbx.port}\nregister_deadline_s = 30\n'
            for name, pbx in self.pbxes.items()
        )
        whole = pair_toml(RELEASES, trunks=TRUNKS, required=TRUNKS[:1], extra=own + extra)
        # No BIND and no Domino here: each has a fake of its own.
        kept = [part for part in whole.split("\n[") if not part.startswith(("dns", "domino", "sync"))]
        return "\n[".join(kept)

    def heard(self, number: str, name: str) -> None:
        """An Asterisk asks the carrier to register an account."""
        if number not in ACCOUNTS or name not in self.machines:
            return
        peer = self.peer_of(self.machines[name])
        if peer.is_primary and peer.pbx.up:
            self.violations.append(f"{name} registers {number} while {peer.name} holds the right")
        for other in self.pbxes.values():
            if other.name != name and other.up and number in other.shared:
                self.violations.append(f"{name} registers {number}, and {other.name} does as well")

    def refuse(self, machine: Machine, *accounts: str) -> None:
        """From now on the carrier refuses these from there, and no others."""
        if accounts:
            self.wait_for_registrations(2)
        self.carrier.refused = {(machine.name, number) for number in accounts}

    def wait_for_registrations(self, seconds: int) -> None:
        """Both machines' pair.toml says so; the usual 30 s only end a hang."""
        for machine in self.machines.values():
            text = machine.places.pair_toml.read_text(encoding="utf-8")
            text = text.replace("register_deadline_s = 30\n", f"register_deadline_s = {seconds}\n")
            machine.places.pair_toml.write_text(text, encoding="utf-8")
            machine.context = replace(machine.context, pair=parse(text.encode(), Path("pair.toml")))

    def power_off(self, machine: Machine) -> None:
        """Nothing of it answers any more; the carrier keeps what it last heard."""
        machine.dead, machine.ssh = True, Ssh.HANGS
        self.stop(machine.pbx)

    def power_on(self, machine: Machine) -> None:
        """It starts as the boot guard has it start without proof: standby, without a right."""
        machine.dead, machine.ssh = False, Ssh.ANSWERS
        for path in machine.places.run.iterdir():
            if path.is_file():
                path.unlink()
        self.type(machine, "boot-guard")
        self.start(machine.pbx)

    def start(self, pbx: FakePbx) -> None:
        """Its Asterisk starts, and reads its files."""
        pbx.up = True
        pbx.boot()

    def stop(self, pbx: FakePbx) -> None:
        """Its Asterisk ends."""
        if pbx.up:
            pbx.up = False
            pbx.kill()

    def freeze(self, pbx: FakePbx) -> None:
        """Its Asterisk is there, and answers nobody."""
        pbx.frozen = True
        pbx.freeze()

    def holders(self) -> set[str]:
        """Machines whose living Asterisk registers a shared account."""
        return {pbx.name for pbx in self.pbxes.values() if pbx.up and pbx.shared}

    def primaries(self) -> set[str]:
        return {machine.name for machine in self.machines.values() if machine.is_primary and not machine.dead}

    def type(self, machine: Machine, *argv: str) -> Typed:
        """Types `failover …` there."""
        out, err = io.StringIO(), io.StringIO()
        words = list(argv)
        if argv[0] in ("promote", "switchover"):
            words += ["--hosts-file", str(machine.hosts)]
        code = 0
        with (
            mock.patch.dict(os.environ, machine.environment()),
            mock.patch.object(sys, "argv", ["failover", *words]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                failover_command.main()
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Typed(code, out.getvalue(), err.getvalue())

    # What the code under test reaches outside of its directories.

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline_s: float,
        input: bytes | None = None,  # noqa: A002 - as host.command has it
        env: Mapping[str, str] | None = None,
        most_bytes: int | None = None,
    ) -> Finished:
        """host.command.run, for ssh and Asterisk's console; everything else is run."""
        if argv[0] == "ssh":
            return self._ssh(argv, deadline_s, input)
        for pbx in self.pbxes.values():
            if argv[0] == str(pbx.command):
                return self._console(pbx, argv, deadline_s)
        return host_command.run(argv, deadline_s=deadline_s, input=input, env=env, most_bytes=most_bytes)

    def _console(self, pbx: FakePbx, argv: Sequence[str], deadline_s: float) -> Finished:
        if not pbx.up:
            return Finished(tuple(argv), 1, "", "Unable to connect to remote asterisk\n", 0.01)
        if pbx.frozen:
            raise CommandLate(f"{argv[0]} did not end in {deadline_s:g} s")
        said: list[str] = []
        # In the loop, where its lists are read: nobody sees a reload half done.
        self._loop.call(lambda: said.append(pbx.answer(argv[argv.index("-rx") + 1])))
        return Finished(tuple(argv), 0, said[0], "", 0.01)

    def _ssh(self, argv: Sequence[str], deadline_s: float, given: bytes | None) -> Finished:
        alias = next(word for word in argv if word.startswith("HostKeyAlias="))
        machine, request = self.machines[alias.partition("=")[2]], argv[-1]
        machine.asked.append(request)

        def ended(code: int, out: str = "", err: str = "") -> Finished:
            return Finished(tuple(argv), code, out, err, 0.01)

        if machine.ssh_says is not None:
            return ended(255, err=machine.ssh_says)
        if machine.ssh is Ssh.HANGS:
            raise CommandLate(f"{argv[0]} did not end in {deadline_s:g} s")
        if machine.ssh is Ssh.REFUSED:
            return ended(255, err="ssh: connect to host 192.0.2.11 port 22: Connection refused\n")
        if machine.ssh is Ssh.UNKNOWN_KEY:
            return ended(255, err="hotstandby@192.0.2.11: Permission denied (publickey).\n")
        if machine.ssh is Ssh.OTHER_PROGRAM:
            return ended(127, err="bash: line 1: failover: command not found\n")
        asked = "nothing" if machine.ssh is Ssh.OLD_VERSION and request != "status" else request
        asker = Asker("192.0.2.99", lambda: given or b"", lambda: False)
        said = answer(machine.context, asked, asker, peer_handlers.HANDLERS)
        if machine.ssh is Ssh.LOST_ANSWER and request != "status":
            machine.ssh = Ssh.HANGS
            raise CommandLate(f"{argv[0]} did not end in {deadline_s:g} s")
        return ended(0 if said.done else 3, encode_answer(said) + "\n")

    def find_asterisk(self, asterisk: Asterisk, *, proc: Path = Path("/proc")) -> tuple[AsteriskProcess, ...]:
        del proc
        found = [pbx for pbx in self.pbxes.values() if str(pbx.command) == asterisk.command and pbx.up]
        return tuple(AsteriskProcess(4_000_000, 1, 0, pbx.name) for pbx in found)

    def kill_asterisk(self, asterisk: Asterisk) -> tuple[AsteriskProcess, ...]:
        found = self.find_asterisk(asterisk)
        for pbx in self.pbxes.values():
            if str(pbx.command) == asterisk.command:
                self.stop(pbx)
        return found

    def ping(self, subject: str, address: str) -> ProbeResult:
        del address
        return self._reached("ping", subject)

    def options(self, subject: str, address: str) -> ProbeResult:
        del address
        return self._reached("sip", subject)

    def _reached(self, probe: str, subject: str) -> ProbeResult:
        silent = self.machines[subject].dead
        words = f"{subject} {'does not answer' if silent else 'answers'} {probe}"
        return ProbeResult(probe, subject, probe, ProbeAnswer.SILENT if silent else ProbeAnswer.YES, words, 0.01)

    def port(self, name: str, host: str) -> ProbeResult:
        del host
        return self._reached("port", name)

    def installed(self, patch: pytest.MonkeyPatch) -> None:
        """What is outside of both machines' directories becomes this."""
        for module in (
            "failover.peer.remote",
            "failover.probes.own_asterisk",
            "localized.asterisk.reload",
        ):
            patch.setattr(f"{module}.run", self.run)
        for module in ("failover.probes.own_asterisk", "failover.demotion.demotion", "failover.demotion.killing"):
            patch.setattr(f"{module}.find_asterisk", self.find_asterisk)
        patch.setattr("failover.demotion.killing.kill_asterisk", self.kill_asterisk)
        patch.setattr("failover.probes.evidence.ping", self.ping)
        patch.setattr("failover.probes.evidence.probe_sip", self.options)
        patch.setattr("failover.probes.evidence._port", self.port)
        for module in ("failover.steps.fence.step", "failover.demotion.demotion", "failover.peer_handlers"):
            patch.setattr(f"{module}.time", self.time)
        patch.setattr("failover.steps.fence.step.clock", self.time)
        # Limits that a busy machine would break.
        defaults = own_asterisk.read_lists.__kwdefaults__
        assert defaults is not None
        patch.setitem(defaults, "deadline_s", 6.0)
        patch.setattr("failover.probes.evidence.SSH_S", 60.0)
        patch.setattr("failover.probes.evidence.TOTAL_S", 60.0)


class Loop:
    """An event loop of its own thread, for the fakes."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, what: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine there, to its end."""
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    def call(self, what: Callable[[], None]) -> None:
        """Calls something there."""

        async def called() -> None:
            what()

        self.do(called())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


@contextlib.contextmanager
def two_machines(directory: Path, patch: pytest.MonkeyPatch, extra: str = "") -> Iterator[TwoMachines]:
    """Both, standby, with every generation on disk."""
    loop = Loop()
    made = TwoMachines(directory, loop, extra)
    try:
        made.installed(patch)
        for machine in made.machines.values():
            prepare(machine.places, machine.context.pair, machine.name, Role.STANDBY)
            prepare(machine.places, machine.context.pair, machine.name, Role.PRIMARY)
        yield made
    finally:
        for pbx in made.pbxes.values():
            made.stop(pbx)
        loop.close()


def _disk(home: Path) -> Path:
    """The directories of one machine; its Asterisk's configuration directory."""
    current = home / "config/localized/current/asterisk"
    for made in ("etc", "config/secrets", "config/localized/ssh", "config/localized/generations/0-empty/asterisk"):
        (home / made).mkdir(parents=True)
    for made in ("state", "run"):
        (home / made).mkdir()
    for link in ("current", "current-dns"):
        (home / "config/localized" / link).symlink_to("generations/0-empty")
    for include in INCLUDES:
        (current / include).touch()
    (home / "config/localized/machine").write_text(f"{home.name}\n", encoding="utf-8")
    (home / "config/localized/ssh/peer_key").touch(mode=0o600)
    (home / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
    for file, secret in secrets().items():
        path = home / "config/secrets" / file
        path.write_text(secret, encoding="utf-8")
        path.chmod(0o600)
    etc = home / "etc"
    for file, text in CONFIGURATION.items():
        (etc / file).write_text(text.format(current=current, etc=etc), encoding="utf-8")
    return etc
