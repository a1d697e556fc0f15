"""`failover clients`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime

import click
from rich.table import Table

from failover.context import Context, as_json, with_context
from failover.probes import phones
from failover.probes.phones import PhoneComparison
from host.durations import at_most, lasting
from host.exits import Exit
from host.printable import printable
from host.terminal import console


@click.command("clients", epilog="Example: failover clients --limit 50")
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True, metavar="N", help="So many are shown.")
@as_json
@with_context
def command(context: Context, limit: int, as_json: bool) -> None:
    """Show the phones that were registered on the other machine and are not back here, and what they wait for.

    A phone registers anew when its old registration runs out, or when it is restarted. Ends with 5 while some are not
    back.
    """
    found = phones.compare_phones(context)
    if as_json:
        click.echo(json.dumps({**asdict(found), "sentence": found.sentence}, indent=2))
    else:
        _print(found, limit)
    sys.exit(int(Exit.DEGRADED if found.missing else Exit.DONE))


def _print(found: PhoneComparison, limit: int) -> None:
    out = console()
    if found.missing:
        table = Table(box=None, pad_edge=False)
        for name in ("phone", "was at", "device", "last seen", "registers again"):
            table.add_column(name, overflow="fold")
        for one in found.missing[:limit]:
            table.add_row(
                printable(one.name, 60),
                printable(one.address, 60),
                printable(one.user_agent or "-", 40),
                f"{lasting(max(0.0, found.now - one.last_seen))} ago",
                _when(one.expires_at, found.now),
            )
        out.print(table)
        if len(found.missing) > limit:
            out.print(f"and {len(found.missing) - limit} more: failover clients --limit {len(found.missing)}")
    out.print(found.sentence.partition(". See")[0], soft_wrap=True)
    out.print(
        "next     wait for the last of them, or restart those phones; then: failover clients"
        if found.missing
        else "next     nothing to do"
    )


def _when(expires_at: float | None, now: float) -> str:
    if expires_at is None:
        return "not known: its driver does not say"
    if expires_at <= now:
        return "is overdue: restart it, or look at its network"
    return f"within {at_most(expires_at - now)}, at {datetime.fromtimestamp(expires_at).astimezone():%H:%M:%S}"
