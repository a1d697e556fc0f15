"""The demo without real servers: the real `render-localized`, with fakes for Asterisk and the carrier."""

from __future__ import annotations

import asyncio
import getpass
import grp
import os
import sys
import tempfile
import threading
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from host.command import Finished, run
from host.terminal import console
from lab.carrier.accounts import ADDRESSES, account
from lab.computer.roots import Release
from lab.demo.timeline import Timeline
from lab.errors import LabError
from lab.fakes.asterisk import FakeAsterisk, FakeRegistrar
from lab.world.pair_toml import INCLUDES, pair_toml, secrets

_RELEASES: Final[Mapping[str, Release]] = {"boston": "16", "dallas": "22"}
_TRUNKS: Final = ("acme", "metro", "nova")


def main() -> int:
    """Runs the demo without real servers; 0 when everything that it shows was proven."""
    shown = console()
    shown.print("FAKES: Asterisk and the carrier are played from recordings; render-localized is the real one.")
    shown.print("As root on Debian, 'make demo' does this with real Asterisks.")
    try:
        with tempfile.TemporaryDirectory(prefix="hotstandby-demo.") as directory, _Loop() as loop:
            _Story(Path(directory), loop, Timeline(shown)).tell()
    except LabError as error:
        print(f"The demo stopped: {error}", file=sys.stderr)
        return 1
    shown.print()
    shown.print("Done. README.md says how to begin for real.")
    return 0


class _Loop:
    """An event loop of its own thread, for the fakes."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def do(self, what: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine there, to its end."""
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)


class _Story:
    def __init__(self, directory: Path, loop: _Loop, line: Timeline) -> None:
        self._directory = directory
        self._loop = loop
        self._line = line
        self._registrar = FakeRegistrar()
        self._machines = {name: self._machine(name) for name in _RELEASES}

    def tell(self) -> None:
        """Tells it from the start to the end.

        Raises:
            LabError: something did not happen as promised.
        """
        self._line.chapter("A quiet day: boston is primary, dallas is standby")
        for machine in self._machines.values():
            self._loop.do(machine.start())
        self._write_pair()
        self._activate("boston", "primary", "first start")
        self._held_by("boston")
        self._activate("dallas", "standby")
        self._held_by("boston")
        self._line.chapter("boston loses its power")
        self._loop.do(self._machines["boston"].power_off())
        self._line.restart()
        self._line.tell("boston", "is dead", "nothing of it answers; the carrier still points there")
        self._activate("dallas", "primary", "demo")
        self._held_by("dallas")
        self._loop.do(self._machines["dallas"].power_off())

    def _machine(self, name: str) -> FakeAsterisk:
        home = self._directory / name
        current = home / "config" / "localized" / "current" / "asterisk"
        for made in ("etc", "config/secrets", "config/localized/generations/0-empty/asterisk", "state", "run"):
            (home / made).mkdir(parents=True)
        for link in ("current", "current-dns"):
            (home / "config" / "localized" / link).symlink_to("generations/0-empty")
        for include in INCLUDES:
            (current / include).touch()
        (home / "config" / "localized" / "machine").write_text(f"{name}\n", encoding="utf-8")
        (home / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
        for file, secret in secrets().items():
            path = home / "config" / "secrets" / file
            path.write_text(secret, encoding="utf-8")
            path.chmod(0o600)
        for file, text in _FILES.items():
            (home / "etc" / file).write_text(text.format(current=current), encoding="utf-8")
        return FakeAsterisk(name, _RELEASES[name], home / "etc", self._registrar)

    def _write_pair(self) -> None:
        user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        own = "".join(
            f'[machines.{name}.asterisk]\ncommand = "{machine.command}"\n'
            f'config_dir = "{self._directory / name / "etc"}"\n'
            f'user = "{user}"\ngroup = "{group}"\nami.port = {machine.port}\n'
            for name, machine in self._machines.items()
        )
        text = pair_toml(_RELEASES, trunks=_TRUNKS, required=_TRUNKS, extra=own)
        for name in self._machines:
            (self._directory / name / "config" / "pair.toml").write_text(text, encoding="utf-8")

    def _activate(self, name: str, role: str, why: str | None = None) -> None:
        home = self._directory / name
        argv = ["render-localized", "--role", role, "--activate", *(["--peer-is-down", why] if why else [])]
        places = {f"HOTSTANDBY_{part.upper()}": str(home / part) for part in ("config", "state", "run")}
        command = [str(Path(sys.executable).parent / argv[0]), *argv[1:], "--hosts-file", str(home / "hosts")]
        shown = " ".join(f"'{word}'" if " " in word else word for word in argv)
        done = run(command, deadline_s=60, env={**os.environ, **places})
        if done.returncode != 0:
            raise LabError(f"on {name} '{shown}' ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        self._line.tell(name, f"$ {shown}", _first_line(done))

    def _held_by(self, expected: str) -> None:
        for trunk in _TRUNKS:
            number = account(trunk).username
            holder = self._registrar.holders.get(number)
            if holder != expected:
                raise LabError(f"{trunk} ({number}) is held by {holder or 'nobody'}, not by {expected}")
        self._line.tell("carrier", f"{', '.join(_TRUNKS)}: held by {expected}", f"at {ADDRESSES[expected]}")


def _first_line(done: Finished) -> str:
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return lines[0] if lines else f"done in {done.seconds:.1f} s"


_FILES: Final = {
    "sip.conf": '[general]\n#include "{current}/sip-registrations.conf"\n#include "{current}/sip-address.conf"\n',
    "iax.conf": '[general]\n#include "{current}/iax-registrations.conf"\n',
    "pjsip.conf": (
        '[transport-udp]\ntype = transport\nprotocol = udp\n#include "{current}/pjsip-address.conf"\n'
        '#include "{current}/pjsip-auth.conf"\n#include "{current}/pjsip-registrations.conf"\n'
    ),
    "extensions.conf": '[globals]\n#include "{current}/role.conf"\n',
}
