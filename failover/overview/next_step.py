"""What to type next, as `failover status` ends and a drill that did not end well: the most urgent first."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from failover.facts.facts import OpenRun
from failover.overview.overtaken import COMMAND
from failover.overview.overview import Overview, agrees, all_overtaken, fresh_readiness, missing_trunks, trunk_status

NOTHING: Final = "nothing to do"
START: Final = "systemctl start asterisk"


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
        looked = fresh_readiness(status)
        if looked is not None and looked.exit not in (0, 5):
            return f"{name} is NOT ready: {', '.join(looked.names[:4])}; there, type: failover ready"
    if waiting:
        return f"see to what waits: {', '.join(waiting)}; the same promote again looks anew at all but a person's word"
    for name, status in standbys:
        if fresh_readiness(status) is None:
            return f"nobody looked whether {name} could take over; there, type: failover ready"
    return NOTHING


def _newer(overview: Overview) -> str:
    """Of two machines that serve, the one that was promoted later; the preferred one where that is not known."""
    preferred = overview.pair.preferred
    held = [
        (side.status.epoch, side.name == preferred, side.name) for side in overview.machines if side.status is not None
    ]
    return max(held)[2]
