"""A world of real servers on one machine, for tests, the demo and the benchmarks; imported by nothing that ships.

A carrier (Asterisk), boston and dallas (Asterisk 16 or 22, BIND, hotstandby) and ns3 (BIND) live in namespaces that
end with the process that made them, however it ends. Faults are verbs: power_off, freeze, cut.
docs/understand/lab.md tells how it is made and what was learned from the real software.
"""

from lab.carrier.carrier import Attempt, Call, Carrier
from lab.carrier.registers import Accepted, Answer
from lab.computer.daemon import Daemon
from lab.computer.roots import RELEASES, Release
from lab.errors import LabError, LabUnavailable
from lab.world.machine import Machine
from lab.world.world import World, available

__all__ = [
    "RELEASES",
    "Accepted",
    "Answer",
    "Attempt",
    "Call",
    "Carrier",
    "Daemon",
    "LabError",
    "LabUnavailable",
    "Machine",
    "Release",
    "World",
    "available",
]
