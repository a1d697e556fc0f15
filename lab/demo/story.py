"""`make demo`: one account, two machines; the power of one goes, and the calls move to the other."""

from __future__ import annotations

import sys
from typing import Final

from host.command import Finished
from host.terminal import console
from lab import World, available
from lab.carrier.accounts import account
from lab.computer import roots
from lab.demo import without_root
from lab.demo.timeline import Timeline
from lab.domino import phone_book
from lab.errors import LabError
from lab.world.machine import Machine

TRUNKS: Final = {"acme": "SIP", "metro": "IAX2", "nova": "PJSIP"}
"""The demo's registering trunks, by what they register with (acme: chan_sip on 16, PJSIP on 22)."""
PROVED: Final = account("nova")
PROOF: Final = f'[proof]\ntrunk = "{PROVED.trunk}"\nnumber = "{PROVED.username}"\nlisten_s = 1\n'
"""For pair.toml: the call that goes out through the carrier and comes back in."""
_PLACE: Final = """
from failover.context import read_context
from failover.steps.proof.call import place_call
here = read_context()
called = place_call(here.pair, here.machine, here.pair.proof)
print(called.problem or f"the end that was called heard {called.there}\\nthe end that called heard {called.back}")
raise SystemExit(bool(called.problem))
"""


class DemoFailed(LabError):
    """The demo did not show what it promises."""


def main() -> int:
    """Runs the demo; 0 when everything that it shows was proven."""
    shown = console()
    if reason := available():
        shown.print(f"No real servers here ({reason}).")
        return without_root.main()
    releases = [release for release in roots.RELEASES if _built(release)]
    if not releases:
        shown.print("No Asterisk could be built here; see the lines above.")
        return 1
    boston, dallas = releases[0], releases[-1]
    try:
        trunks = [*TRUNKS, "better"]
        world = World(boston, dallas, trunks=trunks, required=list(TRUNKS), extra=phone_book.LOOKUP + PROOF)
        return Demo(world).run()
    except LabError as error:
        print(f"The demo stopped: {error}", file=sys.stderr)
        return 1


def _built(release: roots.Release) -> bool:
    try:
        roots.build(release, roots.to(sys.stderr))
    except LabError as error:
        print(f"NO ASTERISK {release}: {error}", file=sys.stderr)
        return False
    return True


class Demo:
    """The story, told on the real thing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._console = console()
        self._line = Timeline(self._console)
        self._books: dict[str, phone_book.PhoneBook] = {}

    def run(self) -> int:
        """Tells it from the start to the end.

        Raises:
            LabError: something did not happen as promised.
        """
        self._console.print("Real servers, in namespaces of this machine; nothing of it can be reached from outside.")
        self._console.print(
            "boston and dallas are one pair; the carrier plays the telephone company that sends them calls."
        )
        with self._line.waiting("starting a carrier and two machines"), self._world as world:
            self._world = world
            self._introduce()
            self._line.restart()
            self._peace()
            self._failure()
            taken = self._line.entries[-1].at
            self._prove()
        self._console.print()
        self._console.print(f"Done: {taken:.1f} s from the failure to a call answered on every trunk by dallas.")
        self._console.print(
            "Next: 'python -m lab shell' opens this world for you; README.md says how to begin for real."
        )
        return 0

    def _introduce(self) -> None:
        for machine in (self._world.carrier, self._world.boston, self._world.dallas):
            version = machine.asterisk("core show version").split(" built")[0].strip()
            drivers = ["chan_sip"] if machine.asterisk("module show like chan_sip").count("chan_sip.so") else []
            self._console.print(
                f"  {machine.name:<8} {machine.address:<11} {version} ({', '.join([*drivers, 'iax2', 'pjsip'])})"
            )

    def _peace(self) -> None:
        boston, dallas = self._world.boston, self._world.dallas
        self._line.chapter("A quiet day: boston is primary, dallas is standby")
        self._activate(boston, "primary", "first start")
        self._registered(boston)
        self._activate(dallas, "standby")
        heard = {accepted.machine for accepted in self._world.carrier.registers()}
        if heard != {"boston"}:
            raise DemoFailed(f"the carrier accepted registrations from {', '.join(sorted(map(str, heard)))}")
        self._line.tell("dallas", "is standby", "the carrier has accepted registrations from boston alone")
        for machine in (boston, dallas):
            with self._line.waiting(f"{machine.name}: starting a Domino server and agi-server"):
                book = self._books[machine.name] = phone_book.PhoneBook(machine)
                book.go(phone_book.SCRIPT)
                self._let_proofs_in(machine)
            self._line.tell(machine.name, "looks callers up", "AGI(lookup.py) asks domino-local, its own Domino")
        self._calls("boston")

    def _failure(self) -> None:
        boston, dallas = self._world.boston, self._world.dallas
        self._line.chapter("boston loses its power")
        boston.power_off()
        self._line.restart()
        self._line.tell("boston", "is dead", "its link is down and all its processes are gone")
        call = self._world.carrier.call("acme", deadline_s=1.0)
        if call.machine is not None:
            raise DemoFailed(f"boston is dead, and {call.machine} answered a call nobody should have")
        self._line.tell(
            "carrier",
            "calls 5551000: nobody answers",
            f"!SIP {call.status}: the binding still points to boston",
        )
        self._activate(dallas, "primary", "demo")
        self._registered(dallas)
        self._calls("dallas")

    def _prove(self) -> None:
        """The call that `failover promote` ends with, where [proof] is configured: sound both ways, measured."""
        dallas, number = self._world.dallas, PROVED.username
        with self._line.waiting(f"dallas: calls its own number {number} through the carrier"):
            done = dallas.run(["python3", "-c", _PLACE], deadline_s=60)
        if done.returncode != 0:
            raise DemoFailed(f"the call to our own number was not heard: {done.stdout}{done.stderr}")
        self._line.tell(
            "dallas", f"calls its own number {number} through the carrier, and answers", done.stdout.strip()
        )

    def _let_proofs_in(self, machine: Machine) -> None:
        """The one line that docs/understand/proof.md has an admin write."""
        file = "/etc/asterisk/extensions_inbound.conf"
        text = machine.path(file).read_text()
        machine.write(
            file, text.replace("exten => _X.,1,", "exten => _X.,1,Gosub(hotstandby-proof,s,1)\n same => n,", 1)
        )
        machine.asterisk("dialplan reload")

    def _activate(self, machine: Machine, role: str, why: str | None = None) -> None:
        argv = ["render-localized", "--role", role, "--activate"]
        argv += ["--peer-is-down", why] if why else []
        shown = " ".join(f"'{word}'" if " " in word else word for word in argv)
        with self._line.waiting(f"{machine.name}: {shown}"):
            done = machine.run(argv, deadline_s=60)
        self._check(machine, shown, done)
        self._line.tell(machine.name, f"$ {shown}", _first_line(done))

    def _check(self, machine: Machine, shown: str, done: Finished) -> None:
        if done.returncode != 0:
            raise DemoFailed(f"on {machine.name} '{shown}' ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def _registered(self, machine: Machine) -> None:
        for trunk, protocol in TRUNKS.items():
            self._world.carrier.await_holder(trunk, [machine.name], deadline_s=10)
            last = self._world.carrier.registers(trunk)[-1]
            if last.machine != machine.name:
                raise DemoFailed(f"the last registration of {trunk} that the carrier accepted is {last.machine}'s")
            self._line.tell(
                "carrier",
                f"{trunk} ({protocol}) is held by {machine.name}",
                f"accepted from {last.from_address} for {last.expires_s} s",
            )

    def _calls(self, expected: str) -> None:
        for number, protocol in ({**TRUNKS, "better": "by address"}).items():
            # By address the carrier tries dallas first, so that one sees the standby refuse and the primary answer.
            call = self._world.carrier.call(number, deadline_s=3.0, order=("dallas", "boston"))
            if call.machine != expected:
                raise DemoFailed(
                    f"a call to {number} was answered by {call.machine or 'nobody'} ({call.status}), not by {expected}"
                )
            refused = "".join(
                f"{attempt.machine} said {attempt.status}, as a standby does; then " for attempt in call.attempts
            )
            self._line.tell(
                "carrier",
                f"calls {number} ({protocol}): {expected} answers",
                f"{refused}200 after {call.seconds:.2f} s; it is {self._caller(expected)}",
            )

    def _caller(self, machine: str) -> str:
        """Who the last call was from, as the dialplan knew it."""
        status, name, _, _ = self._books[machine].log()[-1].split("|")
        if (status, name) != ("FOUND", phone_book.NAME):
            raise DemoFailed(f"{machine} did not look the caller up: {status}, {name}")
        return name


def _first_line(done: Finished) -> str:
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return lines[0] if lines else f"done in {done.seconds:.1f} s"
