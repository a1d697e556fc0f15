"""The `ami-watcher` command: arguments and printing only."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ami_watcher.ask import WatcherSilent, ask, ask_json, other_version
from ami_watcher.check import PluginResult, PluginStatus, judged, report_from
from ami_watcher.event import EventKind
from host.console_command import ConsoleGroup, config_option
from host.errors import HotstandbyError, UsageError
from host.exits import Exit
from host.file_reading import MISREAD
from host.lock import Lock
from host.places import Places
from host.printable import harmless
from host.terminal import console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ami_watcher.web.documents import Document

Command = TypeVar("Command", bound=Callable[..., Any])
WATCH_S = 1.0
KINDS = [str(kind) for kind in EventKind]


def _json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print the API's document as JSON.")(command)


def _watch(command: Command) -> Command:
    return click.option("--watch", is_flag=True, help="Print it anew every second, until Ctrl-C.")(command)


@click.group(
    cls=ConsoleGroup,
    epilog="Examples:\n\n\b\n  ami-watcher registrations --watch\n  ami-watcher contacts --missing",
)
@click.version_option(package_name="hotstandby")
def main() -> None:
    """What this machine's Asterisk holds: registrations at carriers, and phones."""


@main.command(epilog="Example:\n\n\b\n  systemctl start ami-watcher\n  ami-watcher run --config /etc/hotstandby")
@config_option
def run(config: Path | None) -> None:
    """Follow Asterisk until told to stop; serve the page and the API."""
    import asyncio  # a plugin that runs each minute goes without

    from ami_watcher.daemon import garbage_collection
    from ami_watcher.daemon.daemon import WatcherDaemon
    from ami_watcher.follow.follow import follower
    from pair import active, this_machine

    _log_to_stderr()
    places = Places.standard(config)
    found = active(places)
    if found.warning is not None:
        logging.getLogger("ami_watcher").warning("%s", found.warning)
    machine = this_machine(places, found.pair)

    async def follow() -> None:
        daemon = WatcherDaemon(places, found.pair, machine, follower(places, found.pair, machine))
        garbage_collection.make_rare()
        await daemon.run()

    try:
        with Lock(places.watcher_run / "ami-watcher.lock", f"ami-watcher run on {machine}"):
            asyncio.run(follow())
    except OSError as error:
        raise HotstandbyError(
            f"ami-watcher cannot run: {error.strerror or error}: {error.filename or places.watcher_run}. It needs to "
            f"write to {places.watcher_run} and {places.watcher_state}; start it with: systemctl start ami-watcher"
        ) from error


@main.command(epilog="Examples:\n\n\b\n  ami-watcher registrations\n  ami-watcher registrations --json | jq .level")
@config_option
@_json
@_watch
def registrations(config: Path | None, as_json: bool, watch: bool) -> None:
    """The trunks, their state, and the last 24 hours.

    In the last column one character is an hour: a low bar where it held throughout, a high one where it did not, a dot
    where nobody watched.
    """
    from ami_watcher import tables  # rich and pydantic: a plugin that runs each minute goes without
    from ami_watcher.web.documents import RegistrationsDocument

    places = Places.standard(config)
    _show(lambda: ask(places, "/api/registrations", RegistrationsDocument), tables.registrations, as_json, watch)


@main.command(epilog="Examples:\n\n\b\n  ami-watcher contacts --find yealink\n  ami-watcher contacts --missing --watch")
@config_option
@_json
@_watch
@click.option("--missing", is_flag=True, help="Who was on the other machine and has not come back.")
@click.option("--find", metavar="TEXT", help="Only where name, address or device holds TEXT.")
@click.option("--limit", type=click.IntRange(0, 10_000), default=500, show_default=True, help="Phones at most.")
def contacts(config: Path | None, as_json: bool, watch: bool, missing: bool, find: str | None, limit: int) -> None:
    """The phones and peers that are registered here."""
    from ami_watcher import tables
    from ami_watcher.web.documents import ContactsDocument

    places = Places.standard(config)
    _show(
        lambda: ask(places, "/api/contacts", ContactsDocument, q=find, limit=limit),
        tables.missing if missing else tables.contacts,
        as_json,
        watch,
    )


@main.command(epilog="Examples:\n\n\b\n  ami-watcher history acme\n  ami-watcher history --kind link --since 7d")
@config_option
@_json
@click.argument("subject", required=False)
@click.option("--kind", type=click.Choice(KINDS), help="Only these.")
@click.option("--since", default="24h", show_default=True, metavar="TIME", help="How far back, such as 90m, 24h, 7d.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="The newest so many.")
def history(config: Path | None, as_json: bool, subject: str | None, kind: str | None, since: str, limit: int) -> None:
    """What changed: of all, or of the trunk or phone SUBJECT."""
    from ami_watcher import tables
    from ami_watcher.web.documents import HistoryDocument

    places = Places.standard(config)
    start = int(time.time() - _seconds(since))
    _show(
        lambda: ask(
            places, "/api/history", HistoryDocument, since=max(0, start), kind=kind, subject=subject, limit=limit
        ),
        tables.history,
        as_json,
        watch=False,
    )


@main.command(epilog="Example:\n\n\b\n  ami-watcher check --missing-warning 5")
@config_option
@click.option("--missing-warning", type=click.IntRange(1), metavar="N", help="So many phones not back are a warning.")
@click.option("--timeout", type=click.FloatRange(0.1, 60.0), default=5.0, show_default=True, help="Seconds.")
def check(config: Path | None, missing_warning: int | None, timeout: float) -> None:
    """A monitoring plugin: exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, one line with numbers to chart."""
    places = Places.standard(config)
    try:
        now = ask_json(places, "/api/registrations", deadline_s=timeout)
        phones = ask_json(places, "/api/contacts", deadline_s=timeout, limit=0)
        try:
            report = report_from(now, phones)
        except MISREAD:
            raise other_version() from None
        result = judged(report, missing_warning=missing_warning)
    except WatcherSilent as error:
        result = PluginResult(PluginStatus.UNKNOWN, str(error))
    click.echo(harmless(result.line))
    sys.exit(result.status)


def _show(get: Callable[[], Any], table: Callable[[Any], RenderableType], as_json: bool, watch: bool) -> None:
    """Prints once, or every second; as JSON, one document a line, and watched, only when it differs."""
    if not watch:
        document: Document = get()
        if as_json:
            click.echo(_ascii(document, indent=2))
        else:
            console().print(table(document))
        return
    if as_json:
        before: object = None
        while True:
            document = get()
            steady = _steady(document.model_dump())
            if steady != before:
                before = steady
                click.echo(_ascii(document))
            time.sleep(WATCH_S)
    from rich.live import Live

    screen = console()
    if not screen.is_terminal:
        raise UsageError(
            "--watch draws on a terminal. For a program, add --json: one document a line, when it differs."
        )
    with Live(table(get()), console=screen, auto_refresh=False, transient=False) as live:
        while True:
            time.sleep(WATCH_S)
            try:
                live.update(table(get()), refresh=True)
            except WatcherSilent as error:
                # It is restarted now and then; a person who watches sees that, and what comes after.
                live.update(str(error), refresh=True)


def _ascii(document: Document, indent: int | None = None) -> str:
    """In ASCII: pydantic's own leaves C1 controls and what turns the direction of writing as they are."""
    return json.dumps(json.loads(document.model_dump_json()), indent=indent)


def _steady(value: object) -> object:
    """A document without what moves on while nothing happens: times, and words that are made of times."""
    moving = {"at", "proof", "since", "strip", "outage_s", "rtt_ms", "expires_at", "other_at", "other_sentence"}
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if key not in moving}
    return [_steady(item) for item in value] if isinstance(value, list | tuple) else value


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise click.BadParameter(
            f"'{text}' is no time. Write a number and s, m, h or d, such as 24h.", param_hint="--since"
        )
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


class _Journal(logging.Formatter):
    """Under systemd a line begins with its priority (sd-daemon(3)) and the journal adds the time."""

    PRIORITY = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in self.PRIORITY if record.levelno >= level), 7)
        # Each line of a message is one entry of the journal, and needs the priority of its own.
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_Journal("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("asyncio", "panoramisk", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main() or Exit.DONE)
