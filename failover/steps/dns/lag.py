"""Why a server still says the old thing after the zone has changed, for whoever has to wait for it. Rules only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from failover.name_servers.agreement import NameServer, ZoneAnswer
from failover.name_servers.notify import NotifyOutcome, NotifyResult
from failover.name_servers.serial import later

STUCK_S: Final = 105
"""Seconds for which BIND 9.18 asks a dead primary and takes no NOTIFY: 30 for its SOA over UDP, 30 for a transfer, then
15 and 30 again from its alternative source address. Measured, see docs/understand/dns.md."""
TELL_EVERY_S: Final = 2.0
"""Seconds between two NOTIFYs to a server that lags: one that comes while it asks a dead primary may be forgotten."""


def is_behind(seen: ZoneAnswer, serial: int) -> bool:
    """Whether a server answers, as an authority, with an older zone."""
    return not seen.failure and later(serial, seen.serial)


def explain_lag(
    lagging: Sequence[ZoneAnswer],
    serial: int,
    *,
    dead: Collection[str],
    not_taken: Mapping[NameServer, NotifyResult],
    told_for_s: float,
) -> str:
    """What probably keeps the servers that lag, and what to do about it.

    Args:
        lagging: what they said last.
        serial: our own server's.
        dead: machines that are fenced and whose name servers do not answer.
        not_taken: our last NOTIFY to a server, where it was not taken.
        told_for_s: seconds for which they are told on, after the command has ended.
    """
    failed = [not_taken[seen.server] for seen in lagging if seen.server in not_taken]
    said = [str(one) for one in failed]
    if any(one.outcome is NotifyOutcome.REFUSED for one in failed):
        said.append("who refuses a NOTIFY needs this machine in its primaries, before the other one")
    waiting = [seen.server.name for seen in lagging if is_behind(seen, serial) and seen.server not in not_taken]
    if waiting and dead:
        said.append(
            f"{_names(waiting)} probably asks {_names(dead)}, which is dead: BIND takes no NOTIFY meanwhile, for up to "
            f"{STUCK_S} s (60 s with 'try-tcp-refresh no;' in its zone)"
        )
    if waiting:
        told = f"it is told every {TELL_EVERY_S:g} s for {told_for_s:g} s from now on; " if told_for_s else ""
        said.append(f"{told}the same command again completes this step")
    if len(waiting) < len(lagging):
        said.append("see to the others there" if waiting else "see to them there")
    return "; ".join(said)


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(set(names)))
