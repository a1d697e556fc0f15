"""Where a command stands: the places, the pair, and which of its machines this is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

import pair as pairs
from host.console_command import config_option
from host.places import Places
from host.printable import harmless

if TYPE_CHECKING:
    from pair import Asterisk, Machine, Pair

HOSTS: Final = Path("/etc/hosts")
"""The file that takes the hosts block."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Context:
    """This machine, as one of a pair.

    Attributes:
        places: its directories.
        pair: the pair.toml that serves now.
        machine: its name in there.
        warning: why that pair.toml is not the current file; empty when it is.
    """

    places: Places
    pair: Pair
    machine: str
    warning: str = ""

    @property
    def peer(self) -> str:
        """The other machine's name."""
        return self.pair.peer_of(self.machine)

    @property
    def own(self) -> Machine:
        """This machine's section."""
        return self.pair.machines[self.machine]

    @property
    def other(self) -> Machine:
        """The other machine's section."""
        return self.pair.machines[self.peer]

    @property
    def asterisk(self) -> Asterisk:
        """This machine's [asterisk]."""
        return self.pair.asterisk_on(self.machine)


def read_context(config: Path | None = None) -> Context:
    """Reads the pair and this machine's name.

    Raises:
        UsageError: neither the current pair.toml nor the last valid one can be used, or localized/machine is wrong.
    """
    places = Places.standard(config)
    active = pairs.active(places)
    return Context(places, active.pair, pairs.this_machine(places, active.pair), active.warning or "")


def with_context(function: Callable[..., Result]) -> Callable[..., Result]:
    """Decorator of a click command: gives it `--config DIR`, and a Context as its first argument.

    A pair.toml that is not valid is told on stderr, and the last valid one serves.
    """

    @config_option
    @wraps(function)
    def placed(config: Path | None, **given: Any) -> Result:
        context = read_context(config)
        if context.warning:
            print(harmless(f"WARNING: {context.warning}"), file=sys.stderr)
        return function(context, **given)

    return placed


as_json = click.option("--json", "as_json", is_flag=True, help="The same facts as JSON.")
"""Decorator: `--json`, given to the function as `as_json`."""
