"""A failover command that a real SIGKILL ends at a chosen point, and what must be so after the same command again."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from host import clock
from lab import World
from lab.carrier.accounts import account
from lab.world.machine import Machine

Kind = Literal["before", "after", "act"]


@dataclass(frozen=True, slots=True)
class Point:
    """Where the process dies.

    Attributes:
        kind: before or after the journal's nth line of this process, or just before its nth act between lines.
        number: n, from 1.
    """

    kind: Kind
    number: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.number}"


class GaveUp(Exception):
    """The command was refused or taken back before the point was reached; its exit code and what it said."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"ended with {code}: {said}")
        self.code = code


_PROGRAM: Final = """
import os, signal, sys, threading
from failover.journal import journal
from failover.command import main
kind, number = {kind!r}, {number}
lines = acts = 0
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def end():
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()
# Where lines come one after the other: steps may run side by side.
real = journal.Journal._append
def mortal(self, *given, **more):
    global lines
    lines += 1
    if kind == "before" and lines == number:
        end()
    found = real(self, *given, **more)
    if kind == "after" and lines == number:
        end()
    return found
journal.Journal._append = mortal
touching = {{"os.rename", "os.remove", "os.symlink", "os.truncate", "os.mkdir", "subprocess.Popen", "socket.connect",
             "socket.sendto", "socket.sendmsg"}}
def act(event, arguments):
    global acts
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & writing or "__pycache__" in str(path):
            return
    elif event not in touching:
        return
    acts += 1
    if kind == "act" and acts == number:
        end()
sys.addaudithook(act)
sys.argv = ["failover", *{arguments!r}]
try:
    main()
finally:
    print(f"COUNTED {{lines}} {{acts}}", file=sys.stderr)
"""
"""An act is what an audit event announces (sys.addaudithook): a file made, renamed or removed, a program, a packet."""


def killed(machine: Machine, arguments: Sequence[str], point: Point) -> bool:
    """Runs `failover ARGUMENTS` there and kills it; False when it ended by itself, having fewer lines or acts.

    Raises:
        GaveUp: it ended by itself, and before its end: a machine that is busy with other tests makes a peer hang.
    """
    program = _PROGRAM.format(kind=point.kind, number=point.number, arguments=list(arguments))
    done = machine.run(["python3", "-c", program])
    if "COUNTED" in done.stderr:
        if done.returncode not in (0, 5):
            raise GaveUp(done.returncode, done.stdout + done.stderr)
        return False
    assert done.returncode in (-9, 137), done.stdout + done.stderr
    return True


@dataclass
class RightsWatch:
    """Who held the right when, seen from outside; an accepted REGISTER is judged by it (rule 6).

    Attributes:
        world: whose machines are looked at.
        seen: (CLOCK_BOOTTIME seconds, who held the right), one entry for each change.
    """

    world: World
    seen: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        assert self._thread is not None
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self._look()

    def _look(self) -> None:
        now = clock.boottime()
        holders = frozenset(one.name for one in (self.world.boston, self.world.dallas) if _right(one))
        if not self.seen or self.seen[-1][1] != holders:
            self.seen.append((now, holders))

    def violations(self, trunks: Sequence[str], since: float) -> list[str]:
        """Every REGISTER accepted from one machine while the other had held the right for longer than a look takes."""
        accounts = {account(trunk).username for trunk in trunks}
        found = []
        for one in self.world.carrier.registers():
            if one.at < since or one.account not in accounts or one.machine is None:
                continue
            holders = [held for at, held in self.seen if at <= one.at][-1:]
            if holders and holders[0] and one.machine not in holders[0]:
                found.append(
                    f"{one.account} from {one.machine} at {one.at:.2f} while {sorted(holders[0])} held the right"
                )
        return found


def _right(machine: Machine) -> bool:
    try:
        return machine.path("/run/hotstandby/right.json").exists()
    except Exception:
        return False  # no power, no /run


def told_by(asking: Machine, servers: Sequence[str]) -> list[tuple[str, str]]:
    """What each name server says: the address of pbx, and the machine that _failover names."""
    code = (
        "import dns.message, dns.query, json\n"
        "def ask(server, name, kind):\n"
        "    question = dns.message.make_query(name + '.acme.example', kind)\n"
        "    found = dns.query.udp(question, server, timeout=2).answer\n"
        "    return str(found[0][0]) if found else ''\n"
        f"print(json.dumps([[ask(one, 'pbx', 'A'), ask(one, '_failover', 'TXT')] for one in {list(servers)!r}]))"
    )
    done = asking.run(["python3", "-c", code])
    assert done.returncode == 0, done.stderr
    found = []
    for address, told in json.loads(done.stdout):
        words = dict(word.partition("=")[::2] for word in told.strip('"').split())
        found.append((address, words.get("machine", "")))
    return found


def role_on_disk(machine: Machine) -> str:
    """The role in the name of the generation that `current` points to."""
    return machine.path("/etc/hotstandby/localized/current").readlink().name.split("-")[1]
