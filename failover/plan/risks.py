"""What speaks against a promotion. Pure: evidence in, risks out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from failover.journal.run import Run
from failover.name_servers.serial import believed, later
from failover.plan.plan import Risk
from failover.plan.sync_age import OLD_S
from failover.probe_result import ProbeAnswer
from failover.probes.evidence import Evidence
from failover.steps.fence.refusal import refusal_text
from host.durations import lasting
from pair import Pair

TSIG_S: Final = 300.0
"""Seconds that clocks may differ before name servers refuse our signature (RFC 8945 §10)."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Everything that risks are judged by.

    Attributes:
        pair: as it serves.
        machine: this one.
        command: promote or switchover.
        evidence: as gathered.
        word: a person's, that the peer is down; empty without one.
        generation_problems: what would keep the primary generation from being activated.
        open_run: the newest run, where it is open and not continued.
        wall_year: of this machine's clock.
        serves: this machine is primary already; what is missing is completed.
        sync_age_s: since the last sync ended; None where it is not known, which speaks against nothing.
    """

    pair: Pair
    machine: str
    command: str
    evidence: Evidence
    word: str
    generation_problems: tuple[str, ...]
    open_run: Run | None
    wall_year: int
    serves: bool = False
    sync_age_s: float | None = None


def risks(looked: Looked, now: datetime) -> tuple[Risk, ...]:
    """Everything that speaks against it, the gravest first."""
    found = [
        *_peer(looked, now),
        *_open_run(looked),
        *_able(looked),
        *_generation(looked),
        *_clock(looked),
        *_serial(looked),
        *_carriers(looked),
        *_sync(looked),
    ]
    return tuple(found)


def _peer(looked: Looked, now: datetime) -> Sequence[Risk]:
    """The fence step asks the peer, or runs the admin's program; without either, only a person can know."""
    seen, peer = looked.evidence, looked.pair.peer_of(looked.machine)
    if looked.serves:
        return []
    if seen.peer.status is not None:
        if seen.peer.status.pair_digest != looked.pair.digest:
            words = (
                f"pair.toml differs between {looked.machine} and {peer}: what one takes for the other's account may be "
                "its own. Bring the same file to both, and look with: failover compare"
            )
            return [Risk("pair-differs", words)]
        return []
    if looked.command == "switchover":
        words = f"{seen.peer.found.words}; a switchover needs {peer} to demote itself. Type: failover promote"
        return [Risk("peer-not-reached", words, can_be_forced=False)]
    if looked.pair.fence is not None:
        return []
    if looked.word:
        # That it answers ping contradicts nobody; an Asterisk that answers at this moment does, short of --force.
        answers = [one.words for one in seen.of_peer if one.probe == "sip" and one.answer is ProbeAnswer.YES]
        words = (
            f"{'; '.join(answers)} at this moment: its Asterisk runs, and may hold every account. Take its power or "
            "its network away until it is silent, then type the same again"
        )
        return [Risk("asterisk-answers", words)] if answers else []
    return [Risk("peer-may-live", refusal_text(looked.pair, peer, seen.of_peer, now), can_be_forced=False)]


def _open_run(looked: Looked) -> Sequence[Risk]:
    run = looked.open_run
    if run is None:
        return []
    words = f"Run {run.number} ({run.command}) is open. Look at it with: failover history {run.number}"
    return [Risk("run-open", words, can_be_forced=False)]


def _able(looked: Looked) -> Sequence[Risk]:
    """What serves now is not taken down for a machine that cannot; where nothing serves there is nothing to lose."""
    seen, machine, peer = looked.evidence, looked.machine, looked.pair.peer_of(looked.machine)
    lacks = seen.own.lacks
    if not lacks or looked.serves:
        return []
    listed = "\n".join(f"  {one}" for one in lacks)
    words = f"{machine} could not serve, and {{}}:\n{listed}\nMend that, then type the same again"
    if seen.peer.status is not None and seen.peer.status.serves:
        return [Risk("cannot-serve", words.format(f"{peer} does"), can_be_forced=False)]
    if seen.peer.status is None and looked.pair.fence is not None and not looked.word and seen.peer_may_live:
        return [Risk("cannot-serve", words.format(f"{peer}, which may, would be cut off"))]
    return []


def _generation(looked: Looked) -> Sequence[Risk]:
    if not looked.generation_problems:
        return []
    listed = "\n".join(f"  {problem}" for problem in looked.generation_problems)
    words = f"The primary files of {looked.machine} cannot be activated:\n{listed}\nSee: render-localized --check"
    return [Risk("generation", words, can_be_forced=False)]


def _clock(looked: Looked) -> Sequence[Risk]:
    if looked.wall_year < 2025:
        words = f"The clock of {looked.machine} says {looked.wall_year}. Set it, look with: timedatectl"
        return [Risk("clock", words)]
    if looked.evidence.clock.answer is ProbeAnswer.ODD and abs(looked.evidence.peer.clock_s) > TSIG_S:
        words = f"{looked.evidence.clock.words}; name servers refuse signatures that are more than 300 s old or early"
        return [Risk("clock", words)]
    return []


def _serial(looked: Looked) -> Sequence[Risk]:
    """Serials that cannot be brought together by raising ours. One server alone that tells such a one is left out, as
    the DNS step does: a single answer must not stop a promotion."""
    told = {one.said.server: [one.serial] for one in looked.evidence.servers if one.serial}
    own = told.pop(looked.machine, None)
    for serial in believed(own[0], told)[0] if own is not None else ():
        if own is not None and serial != own[0] and not later(serial, own[0]) and not later(own[0], serial):
            words = (
                f"The serial of {looked.machine} ({own[0]}) and that of others ({serial}) lie 2^31 apart: neither is "
                "later (RFC 1982), and a secondary would not follow. Set one of them by hand."
            )
            return [Risk("serial", words)]
    return []


def _sync(looked: Looked) -> Sequence[Risk]:
    age = looked.sync_age_s
    if age is None or age <= OLD_S:
        return []
    words = (
        f"The last sync with {looked.pair.peer_of(looked.machine)} ended {lasting(age)} ago: what was changed there "
        f"since is not on {looked.machine}"
    )
    return [Risk("sync-old", words)]


def _carriers(looked: Looked) -> Sequence[Risk]:
    address = looked.pair.machines[looked.machine].public_address
    found = []
    for name, carrier in looked.pair.carriers.items():
        if carrier.allowed and address not in carrier.allowed:
            words = (
                f"The carrier {name} was told to let in {', '.join(carrier.allowed)}, and not {address}, which is "
                f"{looked.machine}: it would refuse us. Allow it in the carrier's portal, then add it to "
                f"carriers.{name}.allowed in pair.toml."
            )
            found.append(Risk(f"carrier-{name}", words))
    return found
