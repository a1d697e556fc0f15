"""Waits until the calls of a machine have ended, while new ones by address go to the other machine.

Calls on trunks that register go on arriving where the registration is: only its removal moves them, and that is the
demotion itself, which ends no call. So a drain shortens what is under way, and a limit ends it.

The gate of the rendered dialplan reads a moment out of a global variable of Asterisk: whoever drains puts it a few
seconds ahead again and again, so a drain that is killed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from failover.context import Context
from failover.errors import FailoverError
from failover.peer.messages import AnswerUnreadable, PeerRefused, PeerStatus
from failover.peer.remote import Peer
from failover.probes import own_asterisk
from failover.runner.progress import ProgressEvent, ProgressKind, ProgressListener
from host.durations import at_most, lasting
from host.errors import HotstandbyError
from localized.asterisk.reload import rx
from localized.errors import AsteriskUnreachable

GATE_S: Final = 15
"""Seconds for which a gate is held at a time; asking again takes at most 6."""
POLL_S: Final = 2.0

CountCalls = Callable[[], int | None]
"""Live calls; None where they cannot be seen at this moment."""


class GateOverride(Enum):
    """What the gate does otherwise than its role says, until a moment; the names are those in role.conf."""

    REFUSE = "HOTSTANDBY_REFUSE_UNTIL"
    TAKE = "HOTSTANDBY_TAKE_UNTIL"


@dataclass(frozen=True, slots=True)
class DrainResult:
    """How waiting ended.

    Attributes:
        left: calls that are still there; None where they cannot be seen.
        words: for people.
        seconds: how long it took.
    """

    left: int | None
    words: str
    seconds: float


def override_gate(context: Context, gate: GateOverride, seconds: int) -> None:
    """Has this machine's gate refuse, or take, calls by address for so many seconds; 0 ends it.

    Raises:
        AsteriskUnreachable: it does not answer, or did not take it.
    """
    until = int(time.time()) + seconds if seconds else 0
    said = rx(context.asterisk, f"dialplan set global {gate.value} {until}")
    if f"'{gate.value}'" not in said:
        raise AsteriskUnreachable(f"Asterisk on {context.machine} did not take the variable {gate.value}.")


def drain_here(context: Context, limit_s: float, tell: ProgressListener) -> DrainResult:
    """Waits for the calls of this machine, which is about to be demoted."""

    def count_calls() -> int | None:
        try:
            override_gate(context, GateOverride.REFUSE, GATE_S)
        except HotstandbyError:
            return None
        return own_asterisk.count_calls(context)

    try:
        return wait_for_calls(count_calls, context.machine, limit_s, tell)
    finally:
        _lift(context, GateOverride.REFUSE)


def drain_peer(context: Context, limit_s: float, tell: ProgressListener) -> DrainResult:
    """Waits for the calls of the peer; new ones by address are taken here meanwhile."""
    peer = Peer(context)

    def count_calls() -> int | None:
        try:
            # Open here before it closes there: a call that both refuse is lost.
            override_gate(context, GateOverride.TAKE, GATE_S)
            return _told_by(peer, GATE_S).asterisk.calls
        except HotstandbyError:
            return None

    try:
        return wait_for_calls(count_calls, context.peer, limit_s, tell)
    finally:
        # What cannot be lifted ends by itself.
        with contextlib.suppress(FailoverError):
            peer.drain(0)
        _lift(context, GateOverride.TAKE)


def wait_for_calls(
    count_calls: CountCalls,
    machine: str,
    limit_s: float,
    tell: ProgressListener,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> DrainResult:
    """Looks until no call is left, or the limit passes; tells whenever the number changes.

    Args:
        machine: whose calls, for people.
        limit_s: seconds.
    """
    started = now()
    tell(ProgressEvent(ProgressKind.BEGAN, "drain", "", 0.0))
    told: int | None = -1
    while True:
        left = count_calls()
        took = now() - started
        if left == 0:
            words = f"no call is left on {machine}"
            tell(ProgressEvent(ProgressKind.VERIFIED, "drain", words, took))
            return DrainResult(left, words, took)
        if took >= limit_s:
            words = f"{_count(left)} on {machine} after {lasting(limit_s)}; it goes on all the same, and so do they"
            tell(ProgressEvent(ProgressKind.OPEN, "drain", words, took))
            return DrainResult(left, words, took)
        if left != told:
            told = left
            words = f"{_count(left)} on {machine}; waiting for another {at_most(limit_s - took)} at most"
            tell(ProgressEvent(ProgressKind.HELD, "drain", words, took))
        sleep(min(POLL_S, limit_s - took))


def _count(left: int | None) -> str:
    if left is None:
        return "calls cannot be seen"
    return "1 call is left" if left == 1 else f"{left} calls are left"


def _told_by(peer: Peer, seconds: int) -> PeerStatus:
    try:
        return peer.drain(seconds)
    except (PeerRefused, AnswerUnreadable):
        # Its Asterisk did not take the variable, or it is of a version that knows no drain: its calls can be counted.
        return peer.status()


def _lift(context: Context, gate: GateOverride) -> None:
    with contextlib.suppress(HotstandbyError):
        override_gate(context, gate, 0)
