"""A command with subcommands as ours are: it prints UTF-8, and what went wrong on purpose is one message and a code."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from host.errors import HotstandbyError
from host.printable import harmless
from host.terminal import in_utf8

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as a shell tells it: 128 and the number of SIGINT."""


class CommandGroup(click.Group):
    """Prints a HotstandbyError's message, never a traceback, and ends with its exit code."""

    def main(self, *args: Any, **options: Any) -> Any:
        """As click does, in UTF-8."""
        in_utf8()
        return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; errors end it."""
        try:
            return super().invoke(ctx)
        except HotstandbyError as error:
            print(harmless(str(error)), file=sys.stderr)
            sys.exit(int(error.exit_code))
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
