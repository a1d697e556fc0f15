"""`failover check`."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence

import click

from failover.checks.check import CheckResult, FindingLevel
from failover.checks.registry import CHECKS, run_checks
from failover.checks.views import check_exit, to_mend
from failover.context import Context, as_json, with_context
from failover.facts.gather import gather_set_up
from host.printable import harmless

WORDS = {
    FindingLevel.BLOCKER: "error",
    FindingLevel.ERROR: "error",
    FindingLevel.WARNING: "warning",
    FindingLevel.UNSEEN: "unseen",
}


@click.command("check", epilog="Example: failover check --json | jq '.findings[].rule'")
@as_json
@with_context
def command(context: Context, as_json: bool) -> None:
    """Look over the whole set-up for what would let a promotion fail. Changes nothing.

    Exit 0: nothing found; 5: it would work, worse than it could; 1: it would fail or be unsafe.
    """
    results = run_checks(gather_set_up(context))
    wrong = to_mend(results)
    if as_json:
        document = {"machine": context.machine, "rules": len(CHECKS), "findings": [_document(one) for one in wrong]}
        click.echo(json.dumps(document, indent=2))
    else:
        _print(context.machine, wrong)
    sys.exit(int(check_exit(results)))


def _document(one: CheckResult) -> dict[str, str]:
    return {
        "rule": one.check.name,
        "level": WORDS[one.level],
        "text": one.finding.text,
        "mend": one.finding.mend,
    }


def _print(machine: str, wrong: Sequence[CheckResult]) -> None:
    for one in wrong:
        head = f"{WORDS[one.level].upper():<8} {one.check.name:<12} "
        click.echo(textwrap.fill(harmless(one.finding.text), 100, initial_indent=head, subsequent_indent=" " * 22))
        below = " " * 20 + "> "
        click.echo(textwrap.fill(harmless(one.finding.mend), 100, initial_indent=below, subsequent_indent=" " * 22))
    counts = {word: sum(WORDS[one.level] == word for one in wrong) for word in WORDS.values()}
    counted = (
        f"{machine}: {counts['error']} errors, {counts['warning']} warnings, {counts['unseen']} to look at yourself, "
        f"{len(CHECKS)} rules"
    )
    click.echo(harmless(counted))
    if counts["error"] or counts["warning"]:
        click.echo("next     mend what is listed, from the top; then again: failover check")
    else:
        click.echo("next     look yourself at what is UNSEEN" if wrong else "next     nothing to do")
