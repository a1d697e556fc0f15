"""`failover check`."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import asdict

import click

from failover.checks.finding import Finding, Level
from failover.checks.gather import gather
from failover.checks.registry import RULES, check
from failover.context import Context, as_json, with_context
from host.exits import Exit
from host.printable import harmless


@click.command("check", epilog="Example: failover check --json | jq '.findings[].rule'")
@as_json
@with_context
def command(context: Context, as_json: bool) -> None:
    """Look over the whole set-up for what would let a promotion fail. Changes nothing.

    Exit 0: nothing found; 5: it would work, worse than it could; 1: it would fail or be unsafe.
    """
    found = check(gather(context))
    if as_json:
        document = {
            "machine": context.machine,
            "rules": len(RULES),
            "findings": [asdict(one) | {"level": one.level.name.lower()} for one in found],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        _print(context.machine, found)
    sys.exit(int(exit_code(found)))


def exit_code(found: list[Finding]) -> Exit:
    """By the gravest finding; what cannot be seen from here counts for nothing."""
    levels = {one.level for one in found}
    if Level.ERROR in levels:
        return Exit.FAILED
    return Exit.DEGRADED if Level.WARNING in levels else Exit.DONE


def _print(machine: str, found: list[Finding]) -> None:
    for one in found:
        head = f"{one.level.name:<8} {one.rule:<12} "
        click.echo(textwrap.fill(harmless(one.text), 100, initial_indent=head, subsequent_indent=" " * 22))
        click.echo(textwrap.fill(harmless(one.mend), 100, initial_indent=" " * 20 + "> ", subsequent_indent=" " * 22))
    counts = {level: sum(one.level is level for one in found) for level in Level}
    counted = (
        f"{machine}: {counts[Level.ERROR]} errors, {counts[Level.WARNING]} warnings, "
        f"{counts[Level.UNSEEN]} to look at yourself, {len(RULES)} rules"
    )
    click.echo(harmless(counted))
    if any(one.level is not Level.UNSEEN for one in found):
        click.echo("next     mend what is listed, from the top; then again: failover check")
    else:
        click.echo("next     look yourself at what is UNSEEN" if found else "next     nothing to do")
