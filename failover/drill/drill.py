"""A drill: everything for real between two healthy machines, and back. It uses the switchover as it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from failover.context import HOSTS, Context
from failover.drill import store as drill_store
from failover.drill.leg import Leg, last_leg, told_by_peer
from failover.drill.report import Report, aftermath, document, markdown, usual
from failover.errors import FailoverError, Refused
from failover.overview.read_overview import read_overview
from failover.peer.messages import PeerStatus
from failover.peer.remote import Peer
from failover.probes import phones
from failover.probes.own_status import status
from failover.promotion.promote import promote
from failover.promotion.request import PromotionRequest
from failover.runner.progress import ProgressEvent, ProgressKind, ProgressListener
from host import clock
from host.errors import HotstandbyError
from host.exits import Exit


def objections(
    pair_digest: str, one: PeerStatus, other: PeerStatus | None, why_not: str, secrets: Sequence[str] = ()
) -> list[str]:
    """What speaks against a drill between two machines; empty when both are healthy and exactly one is primary.

    Args:
        pair_digest: of the pair.toml here.
        one, other: this machine and its peer; None where the peer could not be asked.
        why_not: why it could not.
        secrets: key paths of those that differ between the machines.
    """
    if other is None:
        return [why_not]
    found = [f"{path} is not the same on both machines; one of the two is wrong" for path in secrets]
    if other.pair_digest != pair_digest:
        found.append("pair.toml differs between the machines; look with: failover compare")
    primaries = [each.machine for each in (one, other) if each.is_primary]
    if len(primaries) != 1:
        found.append(f"exactly one machine must be primary, and {' and '.join(primaries) or 'none'} is")
    for each in (one, other):
        if each.open_run:
            found.append(f"the run {each.open_run} is open on {each.machine}; type it there again, or --abort")
        if each.claim:
            found.append(f"a promotion runs on {each.machine} right now")
        if each.paused:
            found.append(f"{each.machine} is paused: {each.paused}; when that is over: failover unpause")
        if each.asterisk.state != "answers" or not each.asterisk.listed:
            found.append(each.asterisk.words)
        if each.fenced and not each.is_primary and each.role != "standby":
            found.append(f"{each.machine} is fenced: {each.fenced}")
    return found


def drill(
    context: Context, *, stay_s: float = 0.0, hosts: Path = HOSTS, tell: ProgressListener
) -> tuple[Report, Path | None, str]:
    """Does it: over, a stay, and back.

    Args:
        stay_s: seconds to leave the service at the other machine, for people to try their phones. Ctrl-C ends the
            stay early, and the way back is taken.

    Returns: the report, its file, and why there is no file.

    Raises:
        Refused: one of the machines is not fit for it; nothing was changed.
    """
    peer = Peer(context)
    mine, asked = status(context), peer.probe_status()
    differ = peer.secrets().grave if asked.status is not None else ()
    against = objections(context.pair.digest, mine, asked.status, asked.found.words, differ)
    if against or asked.status is None:
        raise Refused("No drill now, nothing was changed:\n" + "\n".join(f"  {one}" for one in against))
    home = context.machine if mine.is_primary else context.peer
    away = context.pair.peer_of(home)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    notes = [f"{each.asterisk.calls or 0} calls were up on {each.machine}" for each in (mine, asked.status)]
    earlier = drill_store.earlier(context.places)
    number = max(drill_store.numbers(context.places), default=0) + 1
    legs = [_leg(context, away, hosts, tell)]
    stayed_s = 0.0
    if legs[0].moved:
        stayed_s = _stay(stay_s, tell, away)
        notes += _seen_between(context, home, away)
        legs.append(_leg(context, home, hosts, tell))
    notes += _clients(context)
    ended = code(legs)
    alarm, mend = ("", "") if ended is Exit.DONE else _aftermath(context, home, away, away_served=legs[0].moved)
    report = Report(
        number,
        began,
        context.pair.name,
        context.pair.digest,
        home,
        away,
        tuple(legs),
        stayed_s,
        tuple(notes),
        ended,
        alarm,
        mend,
    )
    before = usual(earlier)
    try:
        return report, drill_store.keep(context.places, number, document(report, before), markdown(report, before)), ""
    except FailoverError as error:
        return report, None, str(error)


def _aftermath(context: Context, home: str, away: str, *, away_served: bool) -> tuple[str, str]:
    """What is off the air now. Looked at anew: a leg that failed may have left nobody serving."""
    return aftermath(read_overview(context), home, away, away_served=away_served)


def code(legs: list[Leg]) -> Exit:
    """The command's exit code: the service is back, all of it or degraded; or where it stopped."""
    if not legs[0].moved:
        return legs[0].exit
    if len(legs) < 2 or not legs[1].moved:
        return Exit.HALFWAY
    return Exit.DEGRADED if any(leg.exit is Exit.DEGRADED for leg in legs) else Exit.DONE


def _leg(context: Context, to: str, hosts: Path, tell: ProgressListener) -> Leg:
    """One switchover, to here or to the peer; a refusal is its result."""
    began = clock.boottime()
    words = f"{to} takes over"
    tell(ProgressEvent(ProgressKind.BEGAN, words, "", 0.0))
    try:
        if to != context.machine:
            leg = told_by_peer(Peer(context).switchover())
            for one in leg.steps:
                told = {"verified": ProgressKind.VERIFIED, "open": ProgressKind.OPEN}.get(
                    one.progress, ProgressKind.FAILED
                )
                tell(ProgressEvent(told, one.step, one.words, one.seconds))
        else:
            ended = promote(context, PromotionRequest("switchover", hosts=hosts), tell=_without_end(tell))
            last = last_leg(context)
            leg = Leg(to, ended.exit, ended.words, last.run, last.epoch, 0.0, last.moved_s, last.steps)
    except HotstandbyError as error:
        failed = Exit(int(error.exit_code))
        leg = Leg(to, failed if failed in set(Exit) else Exit.FAILED, str(error), 0, 0, 0.0, 0.0, ())
    took = clock.boottime() - began
    told = ProgressKind.VERIFIED if leg.exit is Exit.DONE else ProgressKind.OPEN if leg.moved else ProgressKind.FAILED
    tell(ProgressEvent(told, words, leg.words, took))
    return Leg(leg.machine, leg.exit, leg.words, leg.run, leg.epoch, took, leg.moved_s, leg.steps)


def _without_end(tell: ProgressListener) -> ProgressListener:
    """Progress of a leg that is not the end of the command."""

    def told(event: ProgressEvent) -> None:
        if event.kind is not ProgressKind.ENDED:
            tell(event)

    return told


def _stay(stay_s: float, tell: ProgressListener, away: str) -> float:
    if stay_s <= 0:
        return 0.0
    began = clock.boottime()
    tell(ProgressEvent(ProgressKind.HELD, "stay", f"{away} serves for {stay_s:g} s; Ctrl-C goes back at once", 0.0))
    try:
        time.sleep(stay_s)
    except KeyboardInterrupt:
        tell(ProgressEvent(ProgressKind.HELD, "stay", "ended early", clock.boottime() - began))
    return clock.boottime() - began


def _seen_between(context: Context, home: str, away: str) -> list[str]:
    """What both machines say of themselves while the other one serves."""
    mine, asked = status(context), Peer(context).probe_status()
    both = {each.machine: each for each in (mine, asked.status) if each is not None}
    found = []
    if away in both:
        word = "is primary" if both[away].is_primary else "does NOT say that it is primary"
        found.append(f"in between {away} {word}: {both[away].asterisk.words}")
    if home in both:
        word = "is standby and holds nothing" if both[home].proven_standby else "is NOT proven standby"
        found.append(f"in between {home} {word}: {both[home].asterisk.words}")
    return found


def _clients(context: Context) -> list[str]:
    try:
        return [phones.compare_phones(context).sentence]
    except HotstandbyError as error:
        return [f"phones: {error}"]
