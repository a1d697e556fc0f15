"""`failover run-if-primary -- CMD`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from failover.state import local_state
from host.console_command import config_option
from host.exits import Exit
from host.places import Places
from host.printable import harmless
from pair.machine_name import machine_name


@click.command(
    "run-if-primary",
    epilog="Example, in a crontab: 0 6 * * * root failover run-if-primary -- /usr/local/sbin/wake-up-calls",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
@config_option
def command(config: Path | None, argv: tuple[str, ...]) -> None:
    """Run a program on the primary alone: for cron, reports and call files that both machines have.

    As standby it says nothing and ends with 0, so that cron sends no mail. As primary its exit code is the program's.
    """
    places = Places.standard(config)
    if not local_state.read_state(places, machine_name(places)).is_primary:
        sys.exit(int(Exit.DONE))
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - the admin's own program, which takes this process over
    except OSError as error:
        print(harmless(f"'{argv[0]}' cannot be run: {error.strerror}. Give its whole path."), file=sys.stderr)
        sys.exit(int(Exit.USAGE))
