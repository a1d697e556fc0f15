"""`failover switchover`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from failover.context import Context, with_context
from failover.promotion.promote import promote
from failover.promotion.request import PromotionRequest
from failover.runner.progress_output import shown_from_first_event
from failover.state.pause import duration_s
from host.exits import Exit
from host.printable import harmless


@click.command("switchover", epilog="Example: failover switchover --plan 3f2a90c1d4e5")
@click.option("--force", default="", metavar="REASON", help="Take the named risks on yourself; it is journalled.")
@click.option("--plan", "reviewed", default="", metavar="DIGEST", help="Only if the plan is still the reviewed one.")
@click.option("--drain", "drains", default="", metavar="10m", help="Let the peer's calls end first, so long at most.")
@click.option("--abort", is_flag=True, help="Take back what an interrupted switchover has done.")
@click.option("--json", "as_json", is_flag=True, help="Progress as JSON lines.")
@click.option("--hosts-file", type=click.Path(path_type=Path), default=Path("/etc/hosts"), hidden=True)
@with_context
def command(
    context: Context, force: str, reviewed: str, drains: str, abort: bool, as_json: bool, hosts_file: Path
) -> None:
    """Make this machine primary while both are up: the peer demotes itself and proves it first, never both at once.

    With --drain it waits until the peer's calls have ended, and shows how many are left; calls by address come here
    meanwhile. Calls that are left then go on where they are.
    """
    drain_s = duration_s(drains) if drains else 0.0
    asked = PromotionRequest(
        "switchover", force=force, reviewed=reviewed, abort=abort, hosts=hosts_file, drain_s=drain_s
    )
    ended = promote(context, asked, tell=shown_from_first_event(as_json=as_json))
    if ended.exit is Exit.REFUSED:
        click.echo(harmless(ended.words), err=True)
    sys.exit(int(ended.exit))
