"""`failover demote`."""

from __future__ import annotations

import sys

import click

from failover.context import Context, with_context
from failover.demotion import demotion, drain
from failover.errors import FailoverError
from failover.journal import journal
from failover.journal.entry import EntryKind, RunOutcome
from failover.promotion.promote import take_back_open
from failover.runner.progress_view import plain
from failover.state import local_state
from failover.state.claim import LOCK
from failover.state.pause import duration_s
from failover.steps.dns import bind_role as dns_role
from host.errors import HotstandbyError
from host.exits import Exit
from host.lock import Lock, LockHeld
from host.printable import harmless
from host.terminal import console
from pair.public_role import later


@click.command("demote", epilog='Example: failover demote "maintenance of the rack"')
@click.argument("reason", default="a person asked for it")
@click.option("--drain", "drains", default="", metavar="10m", help="Let its calls end first, so long at most.")
@click.option("--abort", is_flag=True, hidden=True)
@with_context
def command(context: Context, reason: str, drains: str, abort: bool) -> None:
    """Make this machine standby, and prove it; an Asterisk that does not obey in time is killed.

    It waits for nothing: no journal, no lock, no disk. What was open of a promotion is taken back afterwards. With
    --drain alone it waits for calls to end, and refuses new ones that come by address.
    """
    del abort  # the runner names it for every command; going back from standby is a promotion
    if drains:
        drain.drain_here(context, duration_s(drains), plain(console(stderr=True)))
    before = local_state.read_state(context.places, context.machine)
    done = demotion.demote(context, reason, progress=lambda words: click.echo(harmless(f"  {words}"), err=True))
    click.echo(harmless(done.words))
    for note in done.notes:
        click.echo(harmless(f"  {note}"), err=True)
    code = Exit.DONE if done.proven else Exit.HALFWAY
    if not done.proven:
        click.echo("Type the same again; if that does not help, take its network or its power away.", err=True)
    try:
        with Lock(context.places.run / LOCK, f"failover demote on {context.machine}"):
            ended = take_back_open(context, "this machine was demoted")
            if ended is not None and code is Exit.DONE:
                code = Exit.DONE if ended.exit is Exit.FAILED else ended.exit
            _note(context, reason, done)
    except LockHeld:
        # A promotion is at it; it sees the fence before its next step, and ends.
        pass
    except (HotstandbyError, OSError) as error:
        # This machine is standby all the same; what was open is told, and stays for whoever reads it.
        click.echo(harmless(f"  an open promotion was not taken back: {error}"), err=True)
        code = Exit.DEGRADED if code is Exit.DONE else code
    try:
        said = dns_role.give_zone_up(context.places, context.pair.dns, distrust=_overtaken(context, before))
    except (HotstandbyError, OSError) as error:
        said = f"its BIND was not made secondary: {error}"
        code = Exit.DEGRADED if code is Exit.DONE else code
    if said:
        click.echo(harmless(said))
    sys.exit(int(code))


def _overtaken(context: Context, before: local_state.LocalState) -> bool:
    """Whether name servers tell a later promotion of the other machine: then what our zone says is old."""
    from ami_watcher.other_machine import query_public_roles

    told = query_public_roles(context.pair, context.machine)
    return later(context.machine, before.right.epoch or before.served or before.epoch, told) is not None


def _note(context: Context, reason: str, done: demotion.DemotionResult) -> None:
    """Writes it down after the fact; a demotion that nobody could write down is a demotion."""
    try:
        epoch = local_state.read_state(context.places, context.machine).epoch
        written = journal.create(journal.directory(context.places), "demote", machine=context.machine, epoch=epoch)
        written.append(EntryKind.OPENED, words=reason, data={"pair_digest": context.pair.digest})
        written.append(EntryKind.VERIFIED if done.proven else EntryKind.FAILED, "demote", done.words)
        written.end_run(RunOutcome.DONE if done.proven else RunOutcome.NOT_PROVEN)
        written.close()
    except (FailoverError, OSError) as error:
        click.echo(harmless(f"  not written down: {error}"), err=True)
