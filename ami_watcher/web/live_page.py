"""The live page, put together of sections; each is a template of its own that gets one document.

The same templates serve the first view, the view without script, and every refresh: the script asks for the page again
and changes what is different. The pair's page includes the same sections, with the documents of both machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from ami_watcher.event import EventKind
from ami_watcher.history.timeline import DAY_S, QUIET, UNWATCHED
from ami_watcher.level import Level
from ami_watcher.registrations.state_words import STANDBY, RegistrationState
from ami_watcher.web import documents
from ami_watcher.web.state_view import StateView
from host.durations import lasting

MOST_ROWS: Final = 50
"""Contacts on the page; the filter finds the others."""
MOST_TRUNKS: Final = 200
"""Trunks on the page, those that need somebody first; the command prints all."""
FEW: Final = 24
"""Of more trunks, those that are as they should be are folded away: whoever looks wants to see the others."""
RECENT: Final = 12
WIDE: Final = 1440.0
"""Units across a strip: one a minute."""
NARROWEST: Final = 6.0
"""Units of an outage at least: five seconds are to be seen in a day."""

WORDS: Final = {
    RegistrationState.UNREGISTERED: "not registered",
    RegistrationState.GONE: "missing",
    RegistrationState.UNEXPECTED: "registered, and must not be",
    STANDBY: "standing by",
    UNWATCHED: "no watcher ran",
}
"""States whose own name is not what people read."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of a strip, in units across; how high it is tells what it is without colour, by its class."""

    x: float
    width: float
    kind: str
    words: str
    start: float
    end: float


def bars(strip: tuple[documents.StretchDocument, ...], now: float) -> list[Bar]:
    """A strip to draw, quiet stretches first, so that a short outage lies on top."""
    begin = now - DAY_S
    found = []
    for stretch in strip:
        x = max(0.0, (stretch.start - begin) / DAY_S * WIDE)
        width = (stretch.end - stretch.start) / DAY_S * WIDE
        if stretch.state not in QUIET:
            width = max(width, NARROWEST)
            x = min(x, WIDE - width)
        words = f"{WORDS.get(stretch.state, stretch.state)} for {lasting(stretch.end - stretch.start)}"
        found.append(Bar(round(x, 2), round(width, 2), stretch.state, words, stretch.start, stretch.end))
    return sorted(found, key=lambda bar: bar.kind not in QUIET)


def outage_summary(row: documents.RegistrationDocument) -> str:
    """A strip in words."""
    if not row.strip:
        return "nothing to show"
    if row.outages:
        return f"{row.outages} outage{'s' if row.outages > 1 else ''}, {lasting(row.outage_s)} in all"
    unseen = sum(part.end - part.start for part in row.strip if part.state != RegistrationState.REGISTERED)
    whole = sum(part.end - part.start for part in row.strip)
    if unseen < 60:
        return "held throughout"
    held = whole - unseen
    return f"held for all of the {lasting(held)} watched" if held >= 1 else "nothing known yet"


def clock(at: float) -> str:
    """ISO 8601 in UTC, for `datetime` attributes; the script shows it in the reader's own time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class LivePage:
    """Renders the page from what is known at one moment."""

    def __init__(self) -> None:
        self._jinja = Environment(
            loader=PackageLoader("ami_watcher.web", "page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.globals.update(
            bars=bars, outage_summary=outage_summary, lasting=lasting, kinds=EventKind, clock=clock, words=WORDS
        )

    def index(self, view: StateView, query: str, *, login: bool) -> str:
        """The whole page.

        Args:
            view: what is known.
            query: filter of the contacts.
            login: whether a token is needed, so that one can leave.
        """
        registrations = view.registrations
        rows = shown = registrations.registrations
        resting: tuple[documents.RegistrationDocument, ...] = ()
        if len(rows) > FEW:
            shown = tuple(row for row in rows if row.level is not Level.GOOD)[:MOST_TRUNKS]
            resting = tuple(row for row in rows if row.level is Level.GOOD)[: MOST_TRUNKS - len(shown)]
        return self._jinja.get_template("index.html").render(
            registrations=registrations.model_copy(update={"registrations": shown}),
            resting=resting,
            hidden=len(rows) - len(shown) - len(resting),
            contacts=view.contacts(query, MOST_ROWS),
            history=view.recent(RECENT),
            health=view.health,
            query=query,
            now=registrations.at,
            login=login,
        )

    def login(self, *, wrong: bool) -> str:
        """The form that asks for the token."""
        return self._jinja.get_template("login.html").render(wrong=wrong)
