"""Python's collector of cycles, made rare in a command that lives for a second or a few: it took a sixth of its time.

Loading modules makes some 300,000 objects that stay, and the collector goes through them again and again while they
are made, and once more when the process ends.
"""

from __future__ import annotations

import atexit
import gc
from typing import Final

_OBJECTS: Final = 100_000
"""New objects between two collections; 700 is Python's own. A command that waits for an hour still collects."""


def make_collection_rare() -> None:
    """For the first line of a command that is no daemon; nothing is collected at its end either."""
    gc.set_threshold(_OBJECTS)
    # What is frozen is not looked through at the end; files are closed and output is written as ever.
    atexit.register(gc.freeze)
