"""Both machines and the zone at one moment, and what follows for whoever looks. Values and rules, no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from failover.checks.facts import OpenRun
from failover.checks.overtaken import COMMAND, OvertakenMachine, overtaken
from failover.peer.messages import AsteriskStatus, PeerRegistration, PeerStatus, Readiness
from failover.probe_result import ProbeResult
from host.durations import lasting
from pair import Pair
from pair.public_role import RoleAnswer

NOTHING: Final = "nothing to do"
LOOKED_S: Final = 3600.0
"""What `failover ready` found an hour ago says nothing of now."""
START: Final = "systemctl start asterisk"


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
    found = _looked(status)
    if found is None:
        return "readiness not looked at"
    ago = lasting(max(0.0, status.wall - found.at))
    word = {0: "ready", 5: "ready but for"}.get(found.exit, "NOT ready:")
    names = f" {', '.join(found.names[:4])}" if found.exit else ""
    return f"{word}{names} ({ago} ago)"


def _looked(status: PeerStatus) -> Readiness | None:
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
class TrunkStatus:
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


def trunk_status(overview: Overview, trunk: str, machine: MachineView) -> TrunkStatus:
    """One trunk on one machine."""
    key = overview.pair.trunk_on(trunk, machine.name)
    status = machine.status
    if status is None:
        return TrunkStatus(TrunkState.UNKNOWN)
    if not key.register_:
        if status.is_primary or key.when_standby == "answer":
            return TrunkStatus(TrunkState.ANSWERS)
        return TrunkStatus(_gated(status.asterisk, trunk))
    if not status.asterisk.listed:
        return TrunkStatus(TrunkState.UNKNOWN)
    one = next((found for found in status.asterisk.registrations if found.trunk == trunk), None)
    if one is not None:
        return TrunkStatus(TrunkState.REGISTERED if one.registered else TrunkState.NOT_REGISTERED, one)
    wanted = key.account == "per-machine" or status.is_primary
    return TrunkStatus(TrunkState.MISSING if wanted else TrunkState.NOT_WANTED)


def _gated(asterisk: AsteriskStatus, trunk: str) -> TrunkState:
    """What a standby does with a call by address, by its running dialplan."""
    if asterisk.gated is None:
        return TrunkState.UNKNOWN
    if trunk not in asterisk.gated:
        return TrunkState.NO_GATE
    return TrunkState.REFUSES if asterisk.gate == "standby" else TrunkState.GATE_OPEN


def next_step(overview: Overview, paused: str, waiting: Collection[str] = ()) -> str:
    """What to type next, or that there is nothing to do. The most urgent first.

    Args:
        paused: the pause that holds, in words.
        waiting: steps of the newest run that wait for a person or a retry.
    """
    pair, here = overview.pair, overview.here
    statuses = {side.name: side.status for side in overview.machines}
    unknown = [side for side in overview.machines if side.status is None]
    if late := all_overtaken(overview):
        return f"{late[0].words}. On {late[0].machine}, type: {COMMAND}"
    if len(overview.primaries) > 1:
        return f"BOTH machines serve; on {pair.peer_of(_newer(overview))}, type: failover demote"
    for name, status in statuses.items():
        run = OpenRun.from_words(status.open_run) if status is not None else None
        if run is not None and run.damaged:
            return f"the journal of {run}, on {name}; what to do with it says, there: failover history"
        if run is not None:
            again = f"failover {run.command}"
            return f"{run} on {name} is open; there, type: {again}, or: {again} --abort"
        if status is not None and not status.is_primary and status.registered:
            return f"{name} registers without the right to; there, type: failover demote"
    if not overview.primaries:
        if unknown:
            return f"{unknown[0].asked.words}; nobody is known to serve. Here, type: failover plan promote"
        able = [name for name, one in statuses.items() if one is not None and one.asterisk.state == "answers"]
        who = here if here in able else pair.preferred if pair.preferred in able else next(iter(able), pair.preferred)
        start = "" if able else f"{START}; then: "
        return f"nobody serves; on {who}, type: {start}failover promote"
    if unknown:
        name = unknown[0].name
        return f"{unknown[0].asked.words}; see to {name}: its power, its network, its ssh (docs/start/peer-ssh.md)"
    for name, status in statuses.items():
        if status is not None and status.warning:
            return (
                f"the last valid pair.toml serves on {name}: {status.warning} Mend it; then: render-localized --check"
            )
    digests = {status.pair_digest for status in statuses.values() if status is not None}
    if len(digests) > 1:
        return "pair.toml differs between the machines; type: failover compare"
    missing = missing_trunks(overview)
    if missing:
        there = "render-localized --role primary --activate"
        return f"{', '.join(missing)} not registered on {overview.primaries[0]}; there, type: {there}"
    lagging = [one.name for one in overview.names if not agrees(overview, one)]
    if lagging:
        return f"{', '.join(lagging)} not right in DNS; type: failover plan promote, on {overview.primaries[0]}"
    if paused:
        return "when the work is done, type: failover unpause"
    for name, status in statuses.items():
        if status is not None and status.asterisk.state == "down":
            return f"Asterisk on {name} is not running, as after a demotion that had to kill it; there, type: {START}"
        if status is not None and status.asterisk.state != "answers":
            return f"Asterisk on {name} does not answer; there, type: systemctl status asterisk"
    for side in overview.machines:
        if answering := [one for one in pair.trunks if trunk_status(overview, one, side).state.takes_calls_as_standby]:
            return f"{side.name} answers the calls of {', '.join(answering)} as standby; there, type: failover check"
    standbys = [(name, status) for name, status in statuses.items() if status is not None and status.role == "standby"]
    for name, status in standbys:
        looked = _looked(status)
        if looked is not None and looked.exit not in (0, 5):
            return f"{name} is NOT ready: {', '.join(looked.names[:4])}; there, type: failover ready"
    if waiting:
        return f"see to what waits: {', '.join(waiting)}; the same promote again looks anew at all but a person's word"
    for name, status in standbys:
        if _looked(status) is None:
            return f"nobody looked whether {name} could take over; there, type: failover ready"
    return NOTHING


def _newer(overview: Overview) -> str:
    """Of two machines that serve, the one that was promoted later; the preferred one where that is not known."""
    preferred = overview.pair.preferred
    held = [
        (side.status.epoch, side.name == preferred, side.name) for side in overview.machines if side.status is not None
    ]
    return max(held)[2]


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
