"""`failover ready`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.table import Table

from failover.checks.check import CheckResult, FindingLevel
from failover.checks.registry import run_checks
from failover.checks.views import READY_WORDS, ready_exit, ready_items, to_mend
from failover.context import Context, as_json, with_context
from failover.facts.gather import gather_ready
from host.exits import Exit
from host.terminal import console
from pair.readiness import note_readiness

MARKS = {
    FindingLevel.GOOD: ("ok", None),
    FindingLevel.WARNING: ("!", "yellow"),
    FindingLevel.ERROR: ("!", "yellow"),
    FindingLevel.UNSEEN: ("?", "yellow"),
    FindingLevel.BLOCKER: ("NO", "red"),
}


@click.command("ready", epilog="Example, as a monitoring check: failover ready || mail -s 'not ready' admin")
@as_json
@with_context
def command(context: Context, as_json: bool) -> None:
    """Could this machine be promoted in the next minute? Looks at everything that a promotion needs, changes nothing.

    Carriers are asked whether they answer, emergency trunks in either role; nothing is dialled.
    Exit 0: ready; 5: it would end degraded, or need a person, or something could not be looked at; 1: not ready.
    """
    results = run_checks(gather_ready(context))
    code = ready_exit(results)
    names = tuple(dict.fromkeys(one.item for one in to_mend(results)))
    note_readiness(context.places, int(code), names, time.time())
    if as_json:
        items = [asdict(one) for one in ready_items(results)]
        for item in items:
            item["good"] = READY_WORDS[item.pop("level")]
        click.echo(json.dumps({"machine": context.machine, "ready": code is Exit.DONE, "items": items}, indent=2))
    else:
        _print(context.machine, results)
    sys.exit(int(code))


def _print(machine: str, results: Sequence[CheckResult]) -> None:
    out = console()
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in ready_items(results):
        mark, colour = MARKS[one.level]
        words = one.words if one.level is FindingLevel.GOOD or not one.mend else f"{one.words}\n> {one.mend}"
        table.add_row(mark, one.name, words, style=colour)
    out.print(table)
    wrong = to_mend(results)
    blockers = dict.fromkeys(one.item for one in wrong if one.level is FindingLevel.BLOCKER)
    if blockers:
        out.print(f"next     {machine} is NOT ready: {', '.join(blockers)}; type what stands there")
    elif wrong:
        names = ", ".join(dict.fromkeys(one.item for one in wrong))
        out.print(f"next     ready, but: {names}; type what stands there")
    else:
        out.print("next     ready; nothing to do")
