"""A process that lives for a second or a few: Python's collector of cycles costs it a third of that, for nothing.

Loading modules makes some 300,000 objects that stay, and the collector goes through them again and again while they
are made, and once more when the process ends.
"""

from __future__ import annotations

import atexit
import gc
from typing import Final

_OBJECTS: Final = 100_000
"""New objects between two collections; 700 is Python's own. A command that waits for an hour still collects."""


def brief() -> None:
    """For the first line of a command that is no daemon."""
    gc.set_threshold(_OBJECTS)
    # What is frozen is not looked through at the end; files are closed and output is written as ever.
    atexit.register(gc.freeze)
