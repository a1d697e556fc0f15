"""The prompt of `python -m lab shell`: machines, calls and faults by name."""

from __future__ import annotations

import cmd
import shlex
import subprocess
from collections.abc import Callable

from host.clock import boottime
from host.errors import HotstandbyError
from lab.carrier.accounts import ACCOUNTS
from lab.errors import LabError
from lab.world.machine import Machine
from lab.world.ssh import let_failover_ask
from lab.world.world import World

_WELCOME = """\
The world is open: boston 192.0.2.11 (Asterisk {boston}), dallas 192.0.2.12 (Asterisk {dallas}),
carrier 192.0.2.5, ns3 192.0.2.13.

  boston                                 a shell on boston; 'exit' comes back
  boston failover promote                both are silent standbys; now boston serves
  boston asterisk -rx "iax2 show registry"
  call acme                              the carrier calls whoever holds the account (or: call better, by address)
  holder                                 who holds which account, as the carrier sees it
  registers                              the last registrations that the carrier accepted
  power-off boston | power-on boston | freeze dallas | thaw dallas | cut boston dallas | heal

'exit' or Ctrl-D ends it, and everything in it is gone.
"""


def begin(world: World) -> None:
    """Makes both machines complete and silent: each may ask the other, and has made its first generation.

    Raises:
        LabError: a machine could not be made standby.
    """
    for machine in (world.boston, world.dallas):
        let_failover_ask(machine, world.peer_of(machine))
        done = machine.run(["render-localized", "--role", "standby", "--activate"], deadline_s=60)
        if done.returncode not in (0, 5):
            raise LabError(f"{machine.name} does not become standby: {done.stdout}{done.stderr}")


class Prompt(cmd.Cmd):
    """Reads commands until `exit`.

    Args:
        world: open.
    """

    prompt = "lab> "

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.exit_code = 0
        """Of the last command on a machine."""
        self.intro = _WELCOME.format(**world.releases)

    def onecmd(self, line: str) -> bool:
        """A machine, a fault, or the end (True)."""
        if line.strip() in ("exit", "quit", "EOF"):
            return True
        if not line.strip():
            return False
        try:
            name, *rest = shlex.split(line)
            if name in self._world.machines:
                self._on(self._world.machines[name], rest)
            elif name in self._faults():
                self._faults()[name](*rest)
            else:
                self.stdout.write("No such word; it knows machines, " + ", ".join(self._faults()) + ", exit.\n")
        except (HotstandbyError, KeyError, ValueError) as error:
            self.stdout.write(f"{error.args[0]}\n")
        except TypeError:
            self.stdout.write("It takes other words than these; the welcome text shows which.\n")
        return False

    def completenames(self, text: str, *_ignored: object) -> list[str]:
        """Names that begin with `text`."""
        return [name for name in (*self._world.machines, *self._faults(), "exit") if name.startswith(text)]

    def _faults(self) -> dict[str, Callable[..., None]]:
        def machine(name: str) -> Machine:
            if name not in self._world.machines:
                raise LabError(f"no machine '{name}'; there are {', '.join(self._world.machines)}")
            return self._world.machines[name]

        return {
            "call": self._call,
            "holder": self._holder,
            "registers": self._registers,
            "power-off": lambda name: machine(name).power_off(),
            "power-on": lambda name: machine(name).power_on(),
            "freeze": lambda name: machine(name).freeze(),
            "thaw": lambda name: machine(name).thaw(),
            "suspend": lambda name: machine(name).suspend(),
            "resume": lambda name: machine(name).resume(),
            "cut": lambda one, other: self._world.cut(one, other),
            "heal": lambda: self._world.heal(),
        }

    def _on(self, machine: Machine, argv: list[str]) -> None:
        done = subprocess.run(
            machine.argv(argv or ["bash", "--norc"]), env=machine.environment(terminal=True), check=False
        )
        self.exit_code = done.returncode

    def _call(self, number: str) -> None:
        done = self._world.carrier.call(number)
        for attempt in done.attempts:
            self.stdout.write(f"{attempt.machine or 'whoever registered'}: {attempt.text}\n")
        answered = f"answered by {done.machine}" if done.machine else f"nobody answered ({done.status})"
        self.stdout.write(f"{answered} after {done.seconds:.3f} s\n")

    def _holder(self) -> None:
        for entry in ACCOUNTS:
            held = ", ".join(self._world.carrier.holder(entry.username)) or "nobody"
            self.stdout.write(f"{entry.trunk:8} {entry.username:9} {held}\n")

    def _registers(self) -> None:
        for seen in self._world.carrier.registers()[-20:]:
            ago = boottime() - seen.at
            self.stdout.write(f"{ago:8.1f} s ago  {seen.account:9} {seen.machine}  for {seen.expires_s} s\n")
