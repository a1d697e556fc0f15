"""`failover ready`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click
from rich.table import Table

from failover.checks.read_ready import read_items
from failover.checks.ready import Good, Item, exit_code
from failover.context import Context, as_json, with_context
from failover.probes.own_status import note_readiness
from host.terminal import console

MARKS = {Good.YES: ("ok", "green"), Good.LATER: ("!", "yellow"), Good.UNSEEN: ("?", "yellow"), Good.NO: ("NO", "red")}


@click.command("ready", epilog="Example, as a monitoring check: failover ready || mail -s 'not ready' admin")
@as_json
@with_context
def command(context: Context, as_json: bool) -> None:
    """Could this machine be promoted in the next minute? Looks at everything that a promotion needs, changes nothing.

    Carriers are asked whether they answer, emergency trunks in either role; nothing is dialled.
    Exit 0: ready; 5: it would end degraded, or need a person, or something could not be looked at; 1: not ready.
    """
    found = read_items(context)
    wrong = sorted((one for one in found if one.good is not Good.YES), key=lambda one: one.good is not Good.NO)
    note_readiness(context.places, int(exit_code(found)), tuple(dict.fromkeys(one.name for one in wrong)))
    if as_json:
        document = {
            "machine": context.machine,
            "ready": exit_code(found) == 0,
            "items": [asdict(one) | {"good": one.good.value} for one in found],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        _print(context, found)
    sys.exit(int(exit_code(found)))


def _print(context: Context, found: tuple[Item, ...]) -> None:
    out = console()
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        mark, colour = MARKS[one.good]
        words = one.words if one.good is Good.YES or not one.mend else f"{one.words}\n> {one.mend}"
        table.add_row(mark, one.name, words, style=None if one.good is Good.YES else colour)
    out.print(table)
    bad = [one for one in found if one.good is Good.NO]
    later = list(dict.fromkeys(one.name for one in found if one.good in (Good.LATER, Good.UNSEEN)))
    if bad:
        out.print(
            f"next     {context.machine} is NOT ready: {', '.join(one.name for one in bad)}; type what stands there"
        )
    elif later:
        out.print(f"next     ready, but: {', '.join(later)}; type what stands there")
    else:
        out.print("next     ready; nothing to do")
