"""`failover plan`."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import click
from rich.table import Table

from failover.context import Context, as_json, with_context
from failover.plan import planning
from failover.plan.plan import Plan
from failover.steps.carrier import probe as carrier_look
from host.durations import lasting
from host.printable import printable
from host.terminal import console


@click.command("plan", epilog="Example: failover plan promote, then: failover promote --plan DIGEST")
@click.argument("what", type=click.Choice(["promote", "switchover"]))
@click.option("--peer-is-down", "word", default="", metavar="REASON", help="As you would give it to promote.")
@as_json
@with_context
def command(context: Context, what: str, word: str, as_json: bool) -> None:
    """Show what a promotion would do, what it would prove, and what speaks against it. Changes nothing that serves.

    Ends with 3 when it would be refused.
    """
    with ThreadPoolExecutor(1) as beside:
        carriers = beside.submit(carrier_look.probe_carriers, context)
        plan = planning.plan_promotion(context, what, word).plan
        plan = replace(plan, evidence=(*plan.evidence, *carriers.result()))
    if as_json:
        click.echo(json.dumps(plan.document(), indent=2))
    else:
        _print(plan)
    plan.raise_if_unsafe()


def _print(plan: Plan) -> None:
    out = console()
    out.print(f"{plan.command} {plan.machine} (epoch {plan.epoch}), plan {plan.digest}")
    seen = Table(box=None, pad_edge=False, show_header=False)
    for found in plan.evidence:
        seen.add_row(found.probe, printable(found.words, 300))
    out.print(seen)
    table = Table(box=None, pad_edge=False)
    for name in ("step", "changes", "proof"):
        table.add_column(name, overflow="fold")
    table.add_column("expected", justify="right")
    for step in plan.steps:
        table.add_row(step.name, step.changes, step.proof, lasting(step.expected_s) if step.expected_s else "-")
    out.print(table)
    if not plan.risks:
        out.print(f"next     failover {plan.command} --plan {plan.digest}", soft_wrap=True)
