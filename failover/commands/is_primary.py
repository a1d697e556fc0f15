"""`failover is-primary`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from failover.state import local_state
from host.console_command import config_option
from host.errors import HotstandbyError
from host.exits import Exit
from host.places import Places
from host.printable import harmless
from pair.machine_name import machine_name


@click.command("is-primary", epilog="Example: failover is-primary && /usr/local/sbin/send-the-daily-report")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing; the exit code tells.")
@click.option("--json", "as_json", is_flag=True, help="What it is by its files, as JSON.")
@config_option
def command(config: Path | None, quiet: bool, as_json: bool) -> None:
    """Whether this machine is primary: exit 0, or 1. What is not known is no.

    It is, when it holds the right to be, serves a primary generation, and is not fenced: this machine's own files say
    so, and pair.toml is not read.
    """
    try:
        places = Places.standard(config)
        machine = machine_name(places)
    except HotstandbyError as error:
        print(harmless(f"It is not known whether this machine is primary, so it is not: {error}"), file=sys.stderr)
        sys.exit(int(Exit.FAILED))
    found = local_state.read_state(places, machine)
    if as_json:
        click.echo(json.dumps({"primary": found.is_primary, "why": found.why, **asdict(found)}, indent=2))
    elif not quiet:
        click.echo(harmless(f"{found.why}."))
    sys.exit(int(Exit.DONE if found.is_primary else Exit.FAILED))
