"""`failover compare`."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import click
from rich.table import Table

from failover.checks.compare import Difference, differences, of_secrets
from failover.context import Context, as_json, with_context
from failover.facts.shared_facts import facts
from failover.peer.remote import FACTS_S, Peer
from host.exits import Exit
from host.terminal import console


@click.command("compare", epilog="Example: failover compare --json | jq '.differences[].name'")
@as_json
@with_context
def command(context: Context, as_json: bool) -> None:
    """Show what differs between the machines and should not: versions, modules, codecs, dialplan, endpoints, queues and
    their members, mailboxes, call forwards, secrets (told apart, never told), time zone, clock.

    Exit 0: nothing; 5: something differs, or could not be compared; 1: the peer could not be asked.
    """
    peer = Peer(context)
    with ThreadPoolExecutor(3) as pool:
        ours = pool.submit(facts, context)
        asked = pool.submit(peer.probe_status)
        compared = pool.submit(peer.secrets)
        theirs = peer.facts(deadline_s=FACTS_S)
    found = (
        *differences(ours.result(), theirs.facts, clock_s=asked.result().surely_apart_s, now=time.time()),
        *of_secrets(compared.result()),
    )
    if as_json:
        document = {"here": context.machine, "there": context.peer, "compared": len({*ours.result(), *theirs.facts})}
        click.echo(json.dumps({**document, "differences": [asdict(one) for one in found]}, indent=2))
    else:
        _print(context, found, len({*ours.result(), *theirs.facts}))
    sys.exit(int(Exit.DEGRADED if any(one.matters or one.unknown for one in found) else Exit.DONE))


def _print(context: Context, found: tuple[Difference, ...], compared: int) -> None:
    out = console()
    if found:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("differs", context.machine, context.peer):
            table.add_column(title, overflow="fold")
        for one in found:
            table.add_row(one.name, one.here, one.there)
        out.print(table)
    count = "nothing differs" if not found else f"{len(found)} differ"
    out.print(f"{compared} facts compared, {count}")
    mend = any(one.matters or one.unknown for one in found)
    out.print(
        "next     make them the same, or be sure that it does not matter; then again: failover compare"
        if mend
        else "next     nothing to do",
        soft_wrap=True,
    )
