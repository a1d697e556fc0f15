"""`failover confirm`."""

from __future__ import annotations

import click

from failover.context import Context, with_context
from failover.promotion.confirm import confirm_step
from host.printable import harmless


@click.command("confirm", epilog='Example: failover confirm carrier-acme "Mia at acme, 09:20"')
@click.argument("step")
@click.argument("words", default="")
@with_context
def command(context: Context, step: str, words: str) -> None:
    """Say that a step which waits for a person is done, and by whom."""
    click.echo(harmless(confirm_step(context, step, words)))
