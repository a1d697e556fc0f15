"""Where commands print: colours and progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from host.printable import harmless

if TYPE_CHECKING:
    from rich.console import Console


def in_utf8() -> None:
    """From here on standard output and error are UTF-8, whatever the locale: programs read it, and so does the peer.

    A byte that was no UTF-8 where it came from, in a file name or a synced file of Latin-1, is shown as its escape.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def console(*, stderr: bool = False) -> Console:
    """A console for people. Not on a terminal it is 100 columns wide, without colour; NO_COLOR is honoured by rich.

    Markup and emoji codes are off: text from outside that holds "[red]" or ":smile:" prints as it is.
    """
    from rich.console import Console, ConsoleOptions, RenderableType  # many commands only end with a code
    from rich.segment import Segment

    class Plain(Console):
        """What is shown commands nothing: rich strips BEL and its like from texts, and lets ESC through."""

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 100
    return Plain(stderr=stderr, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)
