"""Shows a rehearsal."""

from __future__ import annotations

import json

import click
from rich.table import Table

from failover.checks.check import FindingLevel
from failover.drill.rehearsal import Rehearsal, Rehearsed
from host.exits import Exit
from host.printable import printable
from host.terminal import console

COLOURS = {"ok": None, "open": "yellow", "FAILED": "bold red"}


def show(found: Rehearsal, *, as_json: bool) -> Exit:
    """Prints it; returns the command's exit code."""
    if as_json:
        click.echo(json.dumps(document(found), indent=2))
        return found.exit
    out = console()
    table = Table.grid(padding=(0, 2))
    for name in ("", "step", "seen"):
        table.add_column(name, no_wrap=name != "seen", overflow="fold")
    for one in found.steps:
        words = f"{printable(one.proved, 900)}\nnot shown: {one.unproven}"
        table.add_row(word(one), one.step, words, style=COLOURS[word(one)])
    out.print(table)
    for risk in found.plan.risks:
        out.print(f"REFUSED  {printable(risk.words, 900)}", soft_wrap=True)
    out.print("nothing live was changed")
    out.print(f"next     {found.next}", soft_wrap=True)
    return found.exit


def document(found: Rehearsal) -> dict[str, object]:
    """As JSON tells it."""
    return {
        "exit": int(found.exit),
        "plan": found.plan.document(),
        "steps": [
            {"step": one.step, "good": word(one), "proved": one.proved, "unproven": one.unproven} for one in found.steps
        ],
        "next": found.next,
    }


def word(one: Rehearsed) -> str:
    """How a step stands, in a word."""
    return {FindingLevel.GOOD: "ok", FindingLevel.BLOCKER: "FAILED"}.get(one.level, "open")
