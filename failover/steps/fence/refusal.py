"""A refusal in words: what was seen, what may follow from it, and what one may type. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from failover.probe_result import ProbeResult
from host.durations import at_clock
from pair import Pair


def refusal_text(pair: Pair, peer: str, seen: Sequence[ProbeResult], now: datetime, *, why: str = "") -> str:
    """The message for a promotion whose peer is not proven down.

    Args:
        peer: the machine that may still serve.
        seen: evidence about it, the most telling first.
        now: wall clock, for the moment until which it may hold accounts.
        why: what was tried against it and failed, as a sentence.
    """
    lines = [f"REFUSED: {_said(peer, seen)}."]
    if why:
        lines.append(why)
    if held := _held(pair, peer, now):
        lines.append(held)
    lines += [
        "Type one of:",
        f"  failover switchover                        {peer} demotes itself first, when it can be reached",
        f"  failover demote                            on {peer}, by hand; then the same command here again",
        '  failover promote --peer-is-down "REASON"   when you know that it is down: power, cable, somebody there',
    ]
    return "\n".join(lines)


def refusal_in_short(pair: Pair, peer: str, seen: Sequence[ProbeResult], now: datetime, *, why: str) -> str:
    """The same for a journal, in one line; `why` first, because the evidence was shown before it began."""
    parts = [f"REFUSED: {peer} is not proven down.", why or f"{_said(peer, seen)}.", _held(pair, peer, now)]
    return " ".join([*(part for part in parts if part), "Look at both with: failover status"])


def _said(peer: str, seen: Sequence[ProbeResult]) -> str:
    return "; ".join(one.words for one in seen) or f"nothing is known of {peer}"


def _held(pair: Pair, peer: str, now: datetime) -> str:
    held = sorted(name for name in pair.trunks if _may_hold(pair, name, peer))
    if not held:
        return ""
    names = f"{', '.join(held[:5])}{f' and {len(held) - 5} more' if len(held) > 5 else ''}"
    until = at_clock(now, max(pair.trunk_on(name, peer).expiry_s for name in held))
    return f"It may hold {names}: until {until} if it died this moment, longer while it lives."


def _may_hold(pair: Pair, name: str, peer: str) -> bool:
    trunk = pair.trunk_on(name, peer)
    return trunk.register_ and trunk.account == "shared"
