"""`python -m bench NAME [--json]`; the modules are loaded when they are asked for."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from bench.result import NotHere, Result, show
from host.errors import HotstandbyError

NAMES: Final = {
    "render": "5,000 trunks through render-localized's renderer",
    "ami": "AMI events and polls",
    "agi": "a lookup from a plain AGI() call",
    "fastagi": "a lookup over FastAGI",
    "promote": "a promotion, peer dead",
}
"""Name, which is the module's as well -> what it measures."""


@click.command(epilog="\b\nExample:\n  python -m bench render --json")
@click.argument("name", type=click.Choice([*NAMES, "all"]))
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object (with all: one for each line of the list)."
)
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Of each side.")
def main(name: str, as_json: bool, runs: int) -> None:
    """Measure what is promised about speed, side by side with what it is compared to."""
    missing = 0
    for one in NAMES if name == "all" else (name,):
        try:
            show(_measured(one, runs), as_json=as_json)
        except (NotHere, HotstandbyError) as reason:
            click.echo(f"{one}: {reason}", err=True)
            missing += 1
    sys.exit(1 if missing else 0)


def _measured(name: str, runs: int) -> Result:
    try:
        module = importlib.import_module(f"bench.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"bench.{name}":
            raise NotHere("this benchmark is not written yet.") from None
        raise NotHere(f"the module '{error.name}' is missing; 'make bench' installs what it compares with.") from None
    found = module.measure(runs=runs)
    assert isinstance(found, Result)
    return found


if __name__ == "__main__":
    main()
