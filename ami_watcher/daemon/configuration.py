"""Follows pair.toml: whether it is another one, and what of it is taken over while the daemon runs."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable

from ami_watcher.web.guard import token_of
from ami_watcher.web.watcher_state import WatcherState
from host.errors import HotstandbyError, UsageError
from host.file_reading import read_file
from host.places import Places
from host.service_manager import notify
from pair import Pair, read

log = logging.getLogger(__name__)

WARNING = "pair.toml"
"""Its place among the warnings of the state."""


class ConfigurationFollower:
    """Notices another pair.toml and hands it on; an invalid one is told, and the old one stays in force.

    Args:
        places: of this machine.
        state: holds the one in force.
        adopt: takes another one over, whole or not at all; may raise HotstandbyError.
    """

    def __init__(self, places: Places, state: WatcherState, adopt: Callable[[Pair], None]) -> None:
        self._places = places
        self._state = state
        self._adopt = adopt
        self._stamp: tuple[int, int, int] | None = None

    async def look(self) -> None:
        """Takes pair.toml over when it is another one than before."""
        try:
            stamp = self._stamp_now()
            if stamp == self._stamp:
                return
            digest = await asyncio.to_thread(digest_of, self._places)
            if stamp != self._stamp_now():
                return  # written meanwhile: which of the two was read is not known; the next look reads it again
        except OSError:
            return
        self._stamp = stamp
        if digest != self._state.pair.digest:
            self.reload()
        else:
            self._state.warnings.pop(WARNING, None)

    def reload(self) -> None:
        """Reads pair.toml and takes it over, as `systemctl reload` asks for."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._adopt(read(self._places))
        except HotstandbyError as error:
            log.error("The old configuration stays in force. %s", error)
            self._state.warnings[WARNING] = f"The configuration of {time.strftime('%F %T')} was not taken over: {error}"
        else:
            self._state.warnings.pop(WARNING, None)
            log.info("%s was read again and is in force", self._places.pair_toml)
        notify("READY=1")

    def _stamp_now(self) -> tuple[int, int, int]:
        found = self._places.pair_toml.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size


def refuse_unusable(places: Places, pair: Pair, machine: str) -> None:
    """Refuses a pair.toml that this machine could not start with.

    Raises:
        UsageError: it does not name this machine, or would listen beyond loopback without a token.
        SecretUnusable: the token cannot be read.
    """
    if machine not in pair.machines:
        raise UsageError(f"It no longer names this machine, '{machine}'.")
    token_of(places, pair, pair.watcher.listen)


def warn_of_what_waits(old: Pair, new: Pair, machine: str) -> None:
    """Says in the log what of `new` is taken over at the next start alone."""
    if (new.watcher.listen, new.watcher.port) != (old.watcher.listen, old.watcher.port):
        log.warning("listen and port are taken over at the next start: systemctl restart ami-watcher")
    if new.asterisk_on(machine).ami.secret_file != old.asterisk_on(machine).ami.secret_file:
        log.warning("the name of AMI's secret_file is taken over at the next start: systemctl restart ami-watcher")


def digest_of(places: Places) -> str:
    """SHA-256 of pair.toml as it stands there.

    Raises:
        OSError
    """
    return hashlib.sha256(read_file(places.pair_toml)).hexdigest()
