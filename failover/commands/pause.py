"""`failover pause`."""

from __future__ import annotations

import click

from failover.context import Context, with_context
from failover.state import pause as pauses
from host.durations import lasting
from host.printable import harmless


@click.command("pause", epilog='Example: failover pause --for 2h "new switch in the rack"')
@click.argument("reason")
@click.option("--for", "lasts", default="1h", show_default=True, help="How long, such as 90m, 2h or 1d.")
@with_context
def command(context: Context, reason: str, lasts: str) -> None:
    """Let nothing change who is primary by itself for a while. What a person types still works.

    It holds for this machine, survives a reboot, and is shown by status, ready and check until it ends.
    """
    begun = pauses.begin(context.places, reason, pauses.duration_s(lasts))
    until = f"for {lasting(pauses.duration_s(lasts))}, until {begun.until}"
    click.echo(harmless(f"Paused on {context.machine} {until}: {reason}"))
    click.echo("End it with: failover unpause")
