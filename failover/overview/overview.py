"""Both machines and the zone at one moment, and what follows for whoever looks. Values and rules, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from failover.overview.overtaken import OvertakenMachine, overtaken
from failover.peer.messages import AsteriskStatus, PeerRegistration, PeerStatus
from failover.probe_result import ProbeResult
from host.durations import lasting
from pair import Pair
from pair.public_role import RoleAnswer
from pair.readiness import Readiness

LOOKED_S: Final = 3600.0
"""What `failover ready` found an hour ago says nothing of now."""


@dataclass(frozen=True, slots=True)
class MachineView:
    """One machine.

    Attributes:
        name: in pair.toml.
        status: what it says of itself; None where it could not be asked.
        asked: how asking went.
    """

    name: str
    status: PeerStatus | None
    asked: ProbeResult


@dataclass(frozen=True, slots=True)
class FollowedName:
    """One name that follows the primary.

    Attributes:
        name: in the zone.
        values: addresses that name servers tell, each with the servers that tell it; "" for a server that tells none.
        silent: servers that did not answer.
        ttl_s: the longest TTL with which any of them serves it, seconds; None where none serves it.
    """

    name: str
    values: tuple[tuple[str, tuple[str, ...]], ...]
    silent: tuple[str, ...]
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that `failover status` shows.

    Attributes:
        pair: the pair.
        here: name of the machine that one is on.
        machines: both, in the order of pair.toml.
        names: of the zone.
        now: unix seconds.
        said: what each name server says of who is primary.
    """

    pair: Pair
    here: str
    machines: tuple[MachineView, ...]
    names: tuple[FollowedName, ...]
    now: float
    said: tuple[RoleAnswer, ...] = ()

    @property
    def primaries(self) -> tuple[str, ...]:
        """Machines that serve, as far as is known."""
        return tuple(side.name for side in self.machines if side.status is not None and side.status.serves)


def all_overtaken(overview: Overview) -> tuple[OvertakenMachine, ...]:
    """Machines that serve although the other one was promoted later, as name servers or that machine tell."""
    by_name = {side.name: side.status for side in overview.machines}
    found = []
    for side in overview.machines:
        if side.status is None:
            continue
        one = overtaken(
            side.name,
            serves=side.status.is_primary,
            epoch=side.status.right_epoch,
            known=side.status.epoch,
            said=overview.said,
            other=by_name.get(overview.pair.peer_of(side.name)),
        )
        if one is not None:
            found.append(one)
    return tuple(found)


def role(side: MachineView) -> str:
    """A machine's role in a word or two, for people."""
    status = side.status
    if status is None:
        return "UNKNOWN"
    if status.fenced:
        return "FENCED"
    if status.is_primary:
        return "PRIMARY" if status.asterisk.state == "answers" else f"PRIMARY, Asterisk {status.asterisk.state}"
    if status.registered:
        return f"{status.role}, BUT REGISTERED"
    if status.asterisk.state != "answers":
        return f"{status.role}, Asterisk {status.asterisk.state}"
    if status.role != "standby":
        return f"{status.role}, without the right"
    return f"standby, {readiness(status)}"


def readiness(status: PeerStatus) -> str:
    """Whether a standby could take over, as its own `failover ready` saw it last, in a few words."""
    found = fresh_readiness(status)
    if found is None:
        return "readiness not looked at"
    ago = lasting(max(0.0, status.wall - found.at))
    word = {0: "ready", 5: "ready but for"}.get(found.exit, "NOT ready:")
    names = f" {', '.join(found.names[:4])}" if found.exit else ""
    return f"{word}{names} ({ago} ago)"


def fresh_readiness(status: PeerStatus) -> Readiness | None:
    """What its own `failover ready` found lately; None where nobody looked."""
    found = status.readiness
    return found if found is not None and abs(status.wall - found.at) <= LOOKED_S else None


class TrunkState(Enum):
    """What one trunk is doing on one machine."""

    UNKNOWN = "?"
    NOT_WANTED = "-"
    """It shall not be registered there."""
    REGISTERED = "registered"
    NOT_REGISTERED = "not registered"
    """Its Asterisk tries, and the carrier has not taken it."""
    MISSING = "MISSING"
    """Its Asterisk does not even list it."""
    ANSWERS = "answers"
    """It reaches us by address, and its calls are taken, as they shall be."""
    REFUSES = "refuses (503)"
    """It reaches us by address, and its calls are refused, as a standby shall."""
    NO_GATE = "ANSWERS: no gate"
    GATE_OPEN = "ANSWERS: gate open"

    @property
    def is_missing(self) -> bool:
        """Whether it should be registered there, and is not."""
        return self in (TrunkState.NOT_REGISTERED, TrunkState.MISSING)

    @property
    def takes_calls_as_standby(self) -> bool:
        """Whether calls are answered there that should go to the other machine."""
        return self in (TrunkState.NO_GATE, TrunkState.GATE_OPEN)


@dataclass(frozen=True, slots=True)
class TrunkView:
    """One trunk on one machine.

    Attributes:
        state: what it is doing.
        registration: as Asterisk lists it; None where it lists none.
    """

    state: TrunkState
    registration: PeerRegistration | None = None

    def __str__(self) -> str:
        if self.registration is None:
            return self.state.value
        if self.state is TrunkState.REGISTERED:
            return f"registered, {self.registration.expiry_s} s"
        return self.registration.state.upper()


def trunk_status(overview: Overview, trunk: str, machine: MachineView) -> TrunkView:
    """One trunk on one machine."""
    key = overview.pair.trunk_on(trunk, machine.name)
    status = machine.status
    if status is None:
        return TrunkView(TrunkState.UNKNOWN)
    if not key.register_:
        if status.is_primary or key.when_standby == "answer":
            return TrunkView(TrunkState.ANSWERS)
        return TrunkView(_gated(status.asterisk, trunk))
    if not status.asterisk.listed:
        return TrunkView(TrunkState.UNKNOWN)
    one = next((found for found in status.asterisk.registrations if found.trunk == trunk), None)
    if one is not None:
        return TrunkView(TrunkState.REGISTERED if one.registered else TrunkState.NOT_REGISTERED, one)
    wanted = key.account == "per-machine" or status.is_primary
    return TrunkView(TrunkState.MISSING if wanted else TrunkState.NOT_WANTED)


def _gated(asterisk: AsteriskStatus, trunk: str) -> TrunkState:
    """What a standby does with a call by address, by its running dialplan."""
    if asterisk.gated is None:
        return TrunkState.UNKNOWN
    if trunk not in asterisk.gated:
        return TrunkState.NO_GATE
    return TrunkState.REFUSES if asterisk.gate == "standby" else TrunkState.GATE_OPEN


def missing_trunks(overview: Overview) -> list[str]:
    """Trunks that should be registered somewhere, and are not."""
    return sorted({trunk for side in overview.machines for trunk in missing_on(overview, side)})


def missing_on(overview: Overview, side: MachineView) -> list[str]:
    """Trunks that should be registered on one machine, and are not."""
    return [trunk for trunk in overview.pair.trunks if trunk_status(overview, trunk, side).state.is_missing]


def agrees(overview: Overview, name: FollowedName) -> bool:
    """Whether every server that answered tells the primary's address, and one did."""
    if overview.pair.dns is None or not overview.primaries or not name.values:
        return False
    wanted = overview.pair.dns.follow[name.name][overview.primaries[0]]
    return all(value == wanted for value, _ in name.values)


def lagging(overview: Overview, name: FollowedName) -> tuple[str, ...]:
    """Servers that may yet tell something else: silent now, and not on a machine that is silent altogether."""
    dead = {side.name for side in overview.machines if side.status is None}
    return tuple(server for server in name.silent if server not in dead)


def followed(
    names: Sequence[str], answers: Sequence[tuple[str, dict[str, str] | None]], ttls: Mapping[str, int]
) -> tuple[FollowedName, ...]:
    """What servers tell of the followed names, grouped by what they tell.

    Args:
        answers: server, and its address by name; None where it did not answer.
        ttls: the longest TTL by name, seconds.
    """
    found = []
    for name in names:
        values: dict[str, list[str]] = {}
        for server, told in answers:
            if told is not None:
                values.setdefault(told.get(name, ""), []).append(server)
        silent = tuple(server for server, told in answers if told is None)
        grouped = sorted(values.items(), key=lambda item: -len(item[1]))
        found.append(FollowedName(name, tuple((value, tuple(who)) for value, who in grouped), silent, ttls.get(name)))
    return tuple(found)
