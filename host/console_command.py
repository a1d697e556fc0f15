"""Console commands as all of ours are: UTF-8, `-h`, `--config DIR`, and what goes wrong is one message and a code."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from host.errors import HotstandbyError
from host.exits import Exit
from host.printable import harmless
from host.terminal import in_utf8

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as a shell tells it: 128 and the number of SIGINT."""

Function = TypeVar("Function", bound=Callable[..., Any])


def config_option(function: Function) -> Function:
    """Decorator: `--config DIR`, given to the function as `config`, a Path or None."""
    return click.option(
        "--config",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Directory of pair.toml, instead of /etc/hotstandby.",
    )(function)


def _reader_is_gone() -> bool:
    """Whether it is standard output whose pipe broke, and not some socket of ours: then nobody is left to tell."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return False  # it is a test's, or closed
    output = select.poll()
    output.register(descriptor, 0)
    # poll(2): POLLERR, a pipe's writing end whose reader is gone; POLLHUP, a terminal's or socket's.
    gone = any(events & (select.POLLERR | select.POLLHUP) for _, events in output.poll(0))
    if gone:
        # Python's last flush must not try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    return gone


class _Console(click.Command):
    """What a command and a group of ours have in common: no traceback for what is foreseeable."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings["context_settings"] = {
            "help_option_names": ["-h", "--help"],
            "max_content_width": 100,
            **(settings.get("context_settings") or {}),
        }
        super().__init__(*args, **settings)

    def main(self, *args: Any, **options: Any) -> Any:
        """As click does, in UTF-8."""
        in_utf8()
        return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; an error ends it with one message, as JSON too where `--json` was given."""
        try:
            return super().invoke(ctx)
        except HotstandbyError as error:
            refused = error.exit_code is Exit.REFUSED and not str(error).startswith("REFUSED")
            message, code = f"{'REFUSED: ' if refused else ''}{error}", error.exit_code
        except PermissionError as error:
            message = f"{error.filename or 'A file'} may not be read or written by this user. Run this as root."
            code = Exit.FAILED
        except OSError as error:
            if isinstance(error, BrokenPipeError) and _reader_is_gone():
                sys.exit(int(Exit.FAILED))
            where = f"{error.filename}: " if error.filename else ""
            message, code = f"{where}{error.strerror or error}.", Exit.FAILED
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        if ctx.params.get("as_json"):
            click.echo(json.dumps({"exit": int(code), "error": message}, indent=2))
        print(harmless(message), file=sys.stderr)
        sys.exit(int(code))


class ConsoleCommand(_Console):
    """A command by itself, or one of a ConsoleGroup."""


class ConsoleGroup(_Console, click.Group):
    """A command with subcommands; those declared with its own `command()` are ConsoleCommands."""

    command_class = ConsoleCommand
