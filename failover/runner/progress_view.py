"""Shows a run's events: one live line a step on a terminal, plain lines elsewhere, or JSON lines."""

from __future__ import annotations

import json
import threading
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from failover.runner.progress import ProgressEvent, ProgressKind, ProgressListener
from host.printable import printable

_STYLE = {
    ProgressKind.VERIFIED: "green",
    ProgressKind.UNDONE: "green",
    ProgressKind.OPEN: "yellow",
    ProgressKind.HOOK: "yellow",
    ProgressKind.HELD: "yellow",
    ProgressKind.FAILED: "bold red",
}
_MARK = {
    ProgressKind.VERIFIED: "ok",
    ProgressKind.UNDONE: "undone",
    ProgressKind.OPEN: "open",
    ProgressKind.FAILED: "FAILED",
}
_LIMIT = 600
"""Characters of one sentence; a name server or carrier may have much to say."""


def view(console: Console, *, as_json: bool) -> ProgressListener:
    """What shows events here: JSON lines if asked for, a live view on a terminal, plain lines elsewhere."""
    if as_json:
        return json_lines(console.file)
    if console.is_terminal:
        return LiveView(console)
    return plain(console)


def plain(console: Console) -> ProgressListener:
    """One line an event, readable in a log."""

    def tell(event: ProgressEvent) -> None:
        if event.kind is not ProgressKind.BEGAN:
            console.print(line(event), soft_wrap=True)

    return tell


def json_lines(stream: IO[str]) -> ProgressListener:
    """One JSON object an event and line."""

    def tell(event: ProgressEvent) -> None:
        told = {
            "event": event.kind.value,
            "step": event.step,
            "words": event.words,
            "seconds": round(event.seconds, 3),
            "position": event.position,
            "total": event.total,
        }
        print(json.dumps(told), file=stream, flush=True)

    return tell


def line(event: ProgressEvent) -> Text:
    """An event as one line: step, seconds, mark, words."""
    name = event.step or "total"
    mark = _MARK.get(event.kind, event.kind.value)
    text = Text(f"{name:<10} {event.seconds:6.1f} s  ")
    text.append(f"{mark:<7}", style=_STYLE.get(event.kind, ""))
    # A refusal has several lines; the command shows them all when it ends.
    text.append(f" {printable(event.words.partition(chr(10))[0], _LIMIT)}")
    return text


class LiveView:
    """One line a step; those of the steps under way count their seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._current: dict[str, tuple[ProgressEvent, float]] = {}
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8, transient=True)
        self._running = False

    def __call__(self, event: ProgressEvent) -> None:
        with self._lock:
            if event.kind in (ProgressKind.BEGAN, ProgressKind.UNDOING):
                self._current[event.step] = (event, self._console.get_time())
            elif event.kind not in (ProgressKind.HOOK, ProgressKind.HELD):
                self._current.pop(event.step, None)
        if not self._running and event.kind is not ProgressKind.ENDED:
            self._live.start()
            self._running = True
        if event.kind not in (ProgressKind.BEGAN, ProgressKind.UNDOING):
            self._console.print(line(event))
        if event.kind is ProgressKind.ENDED and self._running:
            self._live.stop()
            self._running = False

    def _render(self) -> Text:
        with self._lock:
            now = self._console.get_time()
            lines = [
                f"{event.step:<10} {now - since:6.1f} s  … {_place(event)}" for event, since in self._current.values()
            ]
        return Text("\n".join(lines), style="cyan")


def _place(event: ProgressEvent) -> str:
    return f"{event.position} of {event.total}" if event.total else ""


def table(events: list[ProgressEvent]) -> Table:
    """How each step ended, and the total."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("step")
    shown.add_column("seconds", justify="right")
    shown.add_column("result")
    shown.add_column("seen", overflow="fold")
    for event in events:
        if event.kind in _MARK or event.kind is ProgressKind.ENDED:
            mark = _MARK.get(event.kind, "")
            shown.add_row(
                event.step or "total",
                f"{event.seconds:.1f}",
                Text(mark, style=_STYLE.get(event.kind, "")),
                Text(printable(event.words, _LIMIT)),
            )
    return shown
