"""`python -m lab`: the world for a person."""

from __future__ import annotations

import os
import sys

import click

from host.errors import HotstandbyError
from lab.computer import roots
from lab.errors import LabError
from lab.world.world import World, available

_RELEASE = click.Choice(roots.RELEASES)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A world of real servers on this machine: a carrier, boston, dallas and a third name server."""


@main.command("roots")
def roots_command() -> None:
    """Builds the file systems with Asterisk 16 and 22, once (about a minute each).

    One that cannot be built is one loud line; without any, and with HOTSTANDBY_WORLD=required, it fails.
    """
    missing = []
    for release in roots.RELEASES:
        try:
            built = roots.build(release, roots.to())
            click.echo(f"Asterisk {release}: {built.path}")
        except LabError as error:
            missing.append(release)
            click.echo(f"NO ASTERISK {release}: {error}. Its tests are skipped.", err=True)
    if len(missing) == len(roots.RELEASES) and os.environ.get("HOTSTANDBY_WORLD") == "required":
        sys.exit(1)


@main.command()
def status() -> None:
    """Says whether the world can be had here, and what is missing."""
    reason = available()
    click.echo(f"namespaces   {reason or 'yes'}")
    for release in roots.RELEASES:
        root = roots.root(release)
        click.echo(f"Asterisk {release}  {root.path if root.complete else 'not built'}")
    ready = any(roots.root(release).complete for release in roots.RELEASES)
    click.echo(f"next         {'python -m lab shell' if ready and not reason else 'python -m lab roots'}")


@main.command()
@click.option("--boston", type=_RELEASE, default="16", show_default=True, help="Asterisk of boston.")
@click.option("--dallas", type=_RELEASE, default="22", show_default=True, help="Asterisk of dallas.")
@click.option("--named/--no-named", default=True, show_default=True, help="BIND on boston, dallas and ns3.")
def shell(boston: roots.Release, dallas: roots.Release, named: bool) -> None:
    """Opens the world, both machines silent standbys, and a prompt in it; everything is gone when it closes."""
    from lab.world.prompt import Prompt, begin

    with World(boston=boston, dallas=dallas, named=named, sshd=True) as world:
        begin(world)
        Prompt(world).cmdloop()


@main.command()
def demo() -> None:
    """Two machines, one account: the power of one goes, and the calls move."""
    from lab.demo import story

    sys.exit(story.main())


if __name__ == "__main__":
    try:
        main()
    except HotstandbyError as error:
        click.echo(f"lab: {error}", err=True)
        sys.exit(error.exit_code)
