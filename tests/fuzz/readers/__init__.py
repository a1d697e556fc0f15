"""Every reader of what somebody else wrote, by the package that it stands in: files, replies, datagrams, words.

A reader that raises anything but the errors that it documents has a fault, and so has one whose time grows faster than
its input.
"""

from __future__ import annotations

from typing import Final

from tests.fuzz.readers import agi, ami_watcher, failover, host, localized, pair
from tests.fuzz.readers.reader import Reader

__all__ = ["READERS", "Reader"]

READERS: Final[tuple[Reader, ...]] = (
    *host.READERS,
    *pair.READERS,
    *failover.READERS,
    *localized.READERS,
    *ami_watcher.READERS,
    *agi.READERS,
)
