"""`failover unpause`."""

from __future__ import annotations

import click

from failover.context import Context, with_context
from failover.state import pause as pauses
from host.printable import harmless


@click.command("unpause", epilog="Example: failover unpause")
@with_context
def command(context: Context) -> None:
    """End a pause before its time."""
    if pauses.end(context.places):
        click.echo(harmless(f"The pause on {context.machine} has ended."))
    else:
        click.echo(harmless(f"There was no pause on {context.machine}. Nothing to do."))
