"""`failover boot-guard`."""

from __future__ import annotations

import click

from failover.boot_guard import guard
from failover.here import Here, stands_here


@click.command("boot-guard", epilog="Example, as hotstandby-boot-guard.service runs it: failover boot-guard")
@stands_here
def command(here: Here) -> None:
    """Decide what this machine is, before Asterisk and named start: standby, unless others prove otherwise.

    It is primary when the _failover record on the other name servers names it and the peer answers and agrees. A peer
    that does not answer means standby. Until it has decided, Asterisk does not start.
    """
    click.echo(f"{guard(here).why}.")
