"""What `failover status` shows: a table for people, or one JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

import click
from rich.table import Table

from failover.context import Context
from failover.facts.newest_run import waiting
from failover.overview import overview as rules
from failover.overview.next_step import next_step
from failover.overview.overtaken import COMMAND
from failover.overview.overview import FollowedName, MachineView, Overview
from failover.overview.read_overview import read_overview
from host.printable import printable
from host.terminal import console


def show_status(context: Context, *, as_json: bool) -> None:
    """Looks at both machines and the zone, and prints what was seen and what to type next."""
    found = read_overview(context)
    pause = "; ".join(
        f"{side.name}: {side.status.paused}" for side in found.machines if side.status and side.status.paused
    )
    waits = _waiting(context, found)
    if as_json:
        click.echo(json.dumps(_document(found, pause, waits), indent=2))
        return
    _print(found, pause, waits)


def _print(found: Overview, pause: str, waits: dict[str, str]) -> None:
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    table.add_row(found.pair.name, "", "", *(_headline(side) for side in found.machines))
    for number, trunk in enumerate(found.pair.trunks):
        key = found.pair.trunks[trunk]
        channels = {found.pair.trunk_on(trunk, side.name).channel for side in found.machines}
        kind = "/".join(sorted(channels)) + ("" if key.register_ else ", by address")
        states = (str(rules.trunk_status(found, trunk, side)) for side in found.machines)
        table.add_row("" if number else "trunks", trunk, kind, *states)
    for number, name in enumerate(found.names):
        table.add_row("" if number else "dns", name.name, _values(name), _servers(found, name), _ttl(found, name))
    if pause:
        table.add_row("paused", "", "", *(side.status.paused if side.status else "?" for side in found.machines))
    out = console()
    for late in rules.all_overtaken(found):
        out.print(f"WARNING  {late.words}.", style="bold red", soft_wrap=True)
        out.print(f"         On {late.machine}, type: {COMMAND}", style="bold red", soft_wrap=True)
    out.print(table)
    for step, words in waits.items():
        out.print(f"waiting  {step}: {printable(words, 400)}", soft_wrap=True)
    out.print(f"next     {next_step(found, pause, tuple(waits))}", soft_wrap=True)


def _headline(side: MachineView) -> str:
    words = f"{side.name}  {rules.role(side)}"
    if side.status is not None and side.status.is_primary and side.status.since:
        words += f" since {datetime.fromtimestamp(side.status.since).astimezone():%a %H:%M}"
    if side.status is None:
        words += f": {side.asked.words}"
    elif side.status.asterisk.calls:
        words += f", {side.status.asterisk.calls} calls"
    return words


def _values(name: FollowedName) -> str:
    return " or ".join(value or "nothing" for value, _ in name.values) or "?"


def _servers(found: Overview, name: FollowedName) -> str:
    servers = sum(len(who) for _, who in name.values) + len(name.silent)
    if not name.values:
        return f"none of {servers} servers answers"
    most = len(name.values[0][1])
    said = f"{most} of {servers} servers agree"
    others = [f"{', '.join(who)} says {value or 'nothing'}" for value, who in name.values[1:]]
    if name.silent:
        others.append(f"{', '.join(name.silent)} silent")
    if not rules.agrees(found, name) and found.primaries and len(name.values) == 1:
        others.append(f"and not on {found.primaries[0]}")
    return "; ".join([said, *others])


def _ttl(found: Overview, name: FollowedName) -> str:
    if name.ttl_s is None:
        return "ttl ?"
    wanted = found.pair.dns.ttl_s if found.pair.dns else name.ttl_s
    return f"ttl {name.ttl_s} s" + ("" if name.ttl_s == wanted else f", {wanted} s in pair.toml")


def _waiting(context: Context, found: Overview) -> dict[str, str]:
    """What the newest run left open. What has come by itself since is no longer waited for: registrations, and names;
    and nothing is on a machine that is primary no more, whose carriers must not be told to route to it."""
    told = waiting(context)
    side = next(one for one in found.machines if one.name == context.machine)
    if side.status is not None and not side.status.is_primary:
        return {}
    if side.status is not None and side.status.asterisk.listed and not rules.missing_on(found, side):
        told.pop("localize", None)
    if found.names and all(rules.agrees(found, name) and not rules.lagging(found, name) for name in found.names):
        told.pop("dns", None)
    return told


def _document(found: Overview, pause: str, waiting: dict[str, str]) -> dict[str, object]:
    return {
        "pair": found.pair.name,
        "here": found.here,
        "overtaken": [asdict(one) | {"words": one.words} for one in rules.all_overtaken(found)],
        "primary": list(found.primaries),
        "machines": {
            side.name: {
                "role": rules.role(side),
                "asked": side.asked.words,
                "status": side.status.model_dump(mode="json") if side.status else None,
            }
            for side in found.machines
        },
        "dns": [asdict(name) for name in found.names],
        "paused": pause,
        "waiting": waiting,
        "next": next_step(found, pause, tuple(waiting)),
    }
