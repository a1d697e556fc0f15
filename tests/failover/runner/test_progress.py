"""What a run tells while it goes is made for whoever shows it: plain lines, a live line, a table at the end."""

from __future__ import annotations

import io

from rich.console import Console

from failover.runner.progress import ProgressEvent, ProgressKind, ignore_progress, made_at_first_event
from failover.runner.progress_view import LiveView, table, view

EVENTS = [
    ProgressEvent(ProgressKind.BEGAN, "fence", "", 0.0, 1, 2),
    ProgressEvent(ProgressKind.VERIFIED, "fence", "boston is standby", 0.4, 1, 2),
    ProgressEvent(ProgressKind.BEGAN, "dns", "", 0.0, 2, 2),
    ProgressEvent(ProgressKind.HOOK, "dns", "a program failed", 0.1, 2, 2),
    ProgressEvent(ProgressKind.OPEN, "dns", "ns3 lags\nand more", 1.25, 2, 2),
    ProgressEvent(ProgressKind.ENDED, "", "Done, but degraded", 1.9),
]


def shown(*, terminal: bool, as_json: bool = False) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None, legacy_windows=False)
    tell = view(console, as_json=as_json)
    for event in EVENTS:
        tell(event)
    return console, out


def test_lines_of_a_log_have_no_colours_and_no_beginnings() -> None:
    _, out = shown(terminal=False)
    assert out.getvalue().splitlines() == [
        "fence         0.4 s  ok      boston is standby",
        "dns           0.1 s  hook    a program failed",
        "dns           1.2 s  open    ns3 lags",
        "total         1.9 s  ended   Done, but degraded",
    ]


def test_json_has_every_event_on_a_line_of_its_own() -> None:
    _, out = shown(terminal=False, as_json=True)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(EVENTS)
    assert '"event": "open", "step": "dns", "words": "ns3 lags\\nand more", "seconds": 1.25' in lines[4]


def test_a_terminal_keeps_what_ended_and_the_live_line_goes_away() -> None:
    console, out = shown(terminal=True)
    for words in ("boston is standby", "ns3 lags", "Done, but degraded"):
        assert words in out.getvalue()
    assert isinstance(view(console, as_json=False), LiveView)


def test_the_table_has_how_each_step_ended() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(table(EVENTS))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines[0] == ["step", "seconds", "result", "seen"]
    assert [line[:2] for line in lines[1:]][:2] == [["fence", "0.4"], ["dns", "1.2"]]
    assert lines[-1][:2] == ["total", "1.9"]


def test_what_shows_events_is_made_with_the_first_one_alone() -> None:
    made: list[int] = []
    seen: list[ProgressEvent] = []

    def make() -> object:
        made.append(1)
        return seen.append

    tell = made_at_first_event(make)  # type: ignore[arg-type]
    assert made == []
    for event in EVENTS:
        tell(event)
        ignore_progress(event)
    assert (made, seen) == ([1], EVENTS)
