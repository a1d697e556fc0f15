"""`failover boot-guard`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from failover.context import Context, as_json, with_context
from failover.demotion.boot_guard import guard
from host.printable import harmless


@click.command("boot-guard", epilog="Example, as hotstandby-boot-guard.service runs it: failover boot-guard")
@as_json
@with_context
def command(context: Context, as_json: bool) -> None:
    """Decide what this machine is, before Asterisk and named start: standby, unless others prove otherwise.

    It is primary when the _failover record on the other name servers names it and the peer answers and agrees. A peer
    that does not answer means standby. Until it has decided, Asterisk does not start.
    """
    verdict = guard(context)
    click.echo(json.dumps(asdict(verdict)) if as_json else harmless(f"{verdict.why}."))
