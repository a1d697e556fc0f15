"""`failover promote`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from failover.context import Context, with_context
from failover.promotion.promote import promote
from failover.promotion.request import PromotionRequest
from failover.runner.progress_output import shown_from_first_event
from host.exits import Exit
from host.printable import harmless


@click.command("promote", epilog='Example: failover promote --peer-is-down "the rack has no power, Bob stands there"')
@click.option("--peer-is-down", "word", default="", metavar="REASON", help="Your word for it; it is journalled.")
@click.option("--force", default="", metavar="REASON", help="Take the named risks on yourself; it is journalled.")
@click.option("--plan", "reviewed", default="", metavar="DIGEST", help="Only if the plan is still the reviewed one.")
@click.option("--abort", is_flag=True, help="Take back what an interrupted promotion has done.")
@click.option("--json", "as_json", is_flag=True, help="Progress as JSON lines.")
@click.option("--hosts-file", type=click.Path(path_type=Path), default=Path("/etc/hosts"), hidden=True)
@with_context
def command(
    context: Context, word: str, force: str, reviewed: str, abort: bool, as_json: bool, hosts_file: Path
) -> None:
    """Make this machine primary: fence the peer, register here, point DNS and the carriers here, prove each.

    Killed anywhere, the same command goes on, or goes back to standby when that is no longer safe.
    """
    asked = PromotionRequest("promote", word=word, force=force, reviewed=reviewed, abort=abort, hosts=hosts_file)
    ended = promote(context, asked, tell=shown_from_first_event(as_json=as_json))
    if ended.exit is Exit.REFUSED:
        click.echo(harmless(ended.words), err=True)
    sys.exit(int(ended.exit))
