"""`failover confirm`."""

from __future__ import annotations

import click

from failover import promotion
from failover.context import Context, with_context
from host.printable import harmless


@click.command("confirm", epilog='Example: failover confirm carrier-acme "Mia at acme, 09:20"')
@click.argument("step")
@click.argument("words", default="")
@with_context
def command(context: Context, step: str, words: str) -> None:
    """Say that a step which waits for a person is done, and by whom."""
    click.echo(harmless(promotion.confirm(context, step, words)))
