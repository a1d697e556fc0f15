"""What the commands print, from the documents of the API. The last line says what to type next."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ami_watcher.event import LinkState
from ami_watcher.history.timeline import UNWATCHED
from ami_watcher.level import Level
from ami_watcher.registrations.state_words import STANDBY, RegistrationState
from ami_watcher.web.documents import (
    ContactsDocument,
    HistoryDocument,
    RegistrationDocument,
    RegistrationsDocument,
)
from host.durations import lasting
from host.printable import printable

STYLE: Final = {Level.GOOD: "green", Level.WARNING: "yellow", Level.BAD: "bold red", Level.UNKNOWN: "dim"}
SIGN: Final = {Level.GOOD: "+", Level.WARNING: "~", Level.BAD: "!", Level.UNKNOWN: "?"}
"""Besides the colour, which not every terminal and not every eye has."""
BLOCKS: Final[dict[str, str]] = {
    RegistrationState.REGISTERED: "▁",
    RegistrationState.REGISTERING: "▅",
    RegistrationState.UNKNOWN: "·",
    UNWATCHED: "·",
    STANDBY: " ",
}
TINT: Final[dict[str, str]] = {RegistrationState.REGISTERED: "green", RegistrationState.REGISTERING: "yellow"}
STRIP: Final = 24


def registrations(document: RegistrationsDocument) -> RenderableType:
    """Trunks with their state, since when, and an hour a character of the last day."""
    head = Text.assemble(
        (printable(document.pair), "bold"),
        "   ",
        (printable(document.machine), "bold"),
        f" {document.role or 'without a role'}",
        "   Asterisk ",
        printable(document.link.asterisk_version) or "not known yet",
    )
    verdict = Text(f"{SIGN[document.level]} {printable(document.sentence, 1000)}", style=STYLE[document.level])
    parts: list[RenderableType] = [head, verdict]
    if document.detail:
        parts.append(Text(f"  {printable(document.detail, 1000)}", overflow="fold"))
    if document.registrations:
        table = _table("trunk", "", "state", "since", "last 24 hours", "why")
        for row in document.registrations:
            table.add_row(
                printable(row.trunk),
                row.channel,
                Text(f"{SIGN[row.level]} {row.word}", style=STYLE[row.level] if row.state != STANDBY else "dim"),
                lasting(document.at - row.since) if row.since is not None else "-",
                strip(row, document.at),
                Text(printable(row.cause or ""), overflow="fold"),
            )
        parts.append(table)
    parts.append(Text(f"next     {_next(document)}", overflow="fold"))
    return Group(*parts)


def contacts(document: ContactsDocument) -> RenderableType:
    """Who is registered here."""
    parts: list[RenderableType] = [
        Text(f"{document.total} phones and peers on {printable(document.machine)}", style="bold")
    ]
    if document.contacts:
        table = _table("phone", "", "address", "reach", "since", "renews", "device")
        for item in document.contacts:
            reach = item.reach if item.rtt_ms is None else f"{item.reach} {item.rtt_ms:.0f} ms"
            table.add_row(
                printable(item.name),
                item.channel,
                printable(item.address),
                reach,
                lasting(document.at - item.since) if item.since is not None else "-",
                _due(item.expires_at, document.at),
                printable(item.user_agent or "-"),
            )
        parts.append(table)
        if document.matching > len(document.contacts):
            parts.append(Text(f"{len(document.contacts)} of {document.matching}; more with --limit"))
    elif document.proof is None:
        parts.append(Text("The lists have not been read yet."))
    parts.append(Text(printable(document.other_sentence, 1000)))
    parts.append(Text("next     " + ("ami-watcher contacts --missing" if document.missing else "nothing to do")))
    return Group(*parts)


def missing(document: ContactsDocument) -> RenderableType:
    """Who has not come back, and until when they are waited for."""
    parts: list[RenderableType] = [Text(printable(document.other_sentence, 1000), style="bold")]
    overdue = [item for item in document.missing if item.expires_at is not None and item.expires_at < document.at]
    if document.missing:
        table = _table("phone", "", "was at", "last seen", "due", "device")
        for item in document.missing:
            table.add_row(
                printable(item.name),
                item.channel,
                printable(item.address),
                _due(item.last_seen, document.at),
                Text(
                    _due(item.expires_at, document.at) if item.expires_at is not None else "not told",
                    style="bold red" if item in overdue else "",
                ),
                printable(item.user_agent or "-"),
            )
        parts.append(table)
    if overdue:
        parts.append(
            Text(
                f"next     {len(overdue)} should have been back by now: see whether their address resolves to this "
                f"machine, such as: dig +short {printable(document.machine)}",
                overflow="fold",
            )
        )
    else:
        parts.append(
            Text("next     " + ("wait: each comes back when it is due" if document.missing else "nothing to do"))
        )
    return Group(*parts)


def history(document: HistoryDocument) -> RenderableType:
    """What changed, oldest first."""
    parts: list[RenderableType] = []
    if document.entries:
        table = _table("when", "what", "who", "was", "is", "why")
        for event in document.entries:
            table.add_row(
                datetime.fromtimestamp(event.at).astimezone().strftime("%F %T"),
                event.kind,
                printable(event.subject),
                printable(event.before or "-"),
                printable(event.after or "-"),
                Text(printable(event.cause or ""), overflow="fold"),
            )
        parts.append(table)
    else:
        parts.append(Text("Nothing has changed in that time."))
    if not document.complete:
        parts.append(Text(f"This is what memory holds. {printable(document.note or '', 1000)}", style="yellow"))
    return Group(*parts)


def strip(row: RegistrationDocument, now: float) -> Text:
    """The last day, an hour a character: the worst that was in it."""
    text = Text()
    hour = 86_400.0 / STRIP
    for index in range(STRIP):
        start = now - 86_400.0 + index * hour
        states = [part.state for part in row.strip if part.start < start + hour and part.end > start]
        worst = max(states, key=_badness, default=STANDBY)
        style = TINT.get(worst, "dim" if worst in BLOCKS else "bold red")
        text.append(BLOCKS.get(worst, "█"), style=style)
    return text


def _badness(state: str) -> int:
    order = (
        STANDBY,
        UNWATCHED,
        RegistrationState.UNKNOWN,
        RegistrationState.REGISTERED,
        RegistrationState.REGISTERING,
    )
    return order.index(state) if state in order else len(order)


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles:
        table.add_column(title, no_wrap=title not in ("why", "device"), overflow="fold")
    return table


def _due(at: float | None, now: float) -> str:
    if at is None:
        return "-"
    return f"in {lasting(at - now)}" if at > now else f"{lasting(now - at)} ago"


def _next(document: RegistrationsDocument) -> str:
    if document.overtaken:
        return "failover demote"
    if document.link.state is LinkState.LOST:
        return "systemctl status asterisk"
    if document.link.state is LinkState.REFUSED:
        return "journalctl -u ami-watcher -n 20"
    bad = next((row for row in document.registrations if row.level is Level.BAD), None)
    if bad is None and any(row.state == STANDBY and row.level is Level.UNKNOWN for row in document.registrations):
        return "failover ready"
    if bad is None:
        return "nothing to do" if document.level is Level.GOOD else "ami-watcher registrations --watch"
    if bad.state in (RegistrationState.GONE, RegistrationState.UNEXPECTED):
        return "render-localized --check"
    return f"ami-watcher history {printable(bad.trunk)}"
