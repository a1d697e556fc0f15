"""Where commands print: colours and progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """A console for people. Not on a terminal it is 100 columns wide, without colour; NO_COLOR is honoured by rich.

    Markup and emoji codes are off: text from outside that holds "[red]" or ":smile:" prints as it is.
    """
    from rich.console import Console  # for whoever shows something; many commands only end with a code

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 100
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)
