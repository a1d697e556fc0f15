"""`failover unpause`."""

from __future__ import annotations

import click

from failover.context import Here, stands_here
from failover.state import pause as pauses
from host.printable import harmless


@click.command("unpause", epilog="Example: failover unpause")
@stands_here
def command(here: Here) -> None:
    """End a pause before its time."""
    if pauses.end(here.places):
        click.echo(harmless(f"The pause on {here.machine} has ended."))
    else:
        click.echo(harmless(f"There was no pause on {here.machine}. Nothing to do."))
