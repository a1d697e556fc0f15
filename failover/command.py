"""The `failover` command: its subcommands are the files of failover/commands/; only the one that is typed is loaded."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import click

import failover.commands
from host.collector import make_collection_rare
from host.console_command import ConsoleGroup


class Subcommands(ConsoleGroup):
    """`failover is-primary` is the attribute `command` of failover/commands/is_primary.py."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every file of the package, as one types it."""
        found = pkgutil.iter_modules(failover.commands.__path__)
        return sorted(module.name.replace("_", "-") for module in found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, from what each file says of its command: importing them all takes half a second."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        rows = [(name, click.Command(name, help=documented(name)).get_short_help_str(limit)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded now; None where there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found = importlib.import_module(f"failover.commands.{cmd_name.replace('-', '_')}").command
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name that is nearly right is suggested."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from pair.problem import nearest  # pydantic: not before it is needed

            raise click.UsageError(f"{error.message}{nearest(args[0], self.list_commands(ctx))}", ctx) from None


def documented(name: str) -> str:
    """The docstring of a subcommand, without running its file."""
    file = Path(failover.commands.__path__[0], f"{name.replace('-', '_')}.py")
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name == "command":
            return ast.get_docstring(node) or ""
    return ""


@click.command(cls=Subcommands, epilog="Example: failover status")
@click.version_option(package_name="hotstandby", prog_name="failover")
def group() -> None:
    """Who shall be primary, and the switch itself.

    Each subcommand has --help with an example. Exit codes: 0 done; 1 failed, nothing left half done; 2 wrong usage or
    configuration; 3 refused because it is unsafe; 4 stopped half-way, type the same again; 5 done but degraded.
    """


def main() -> None:
    """The console script."""
    make_collection_rare()
    group()
