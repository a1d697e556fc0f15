"""Follows what is known of the other machine: its list of phones, what failover saw, and the name servers' word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.other_machine import query_public_roles, read_other_machine
from ami_watcher.web.watcher_state import WatcherState
from host.places import Places


class PeerFollower:
    """Keeps `state.other_machine` and `state.other_contacts` true, and tells when this machine was overtaken.

    Args:
        places: of this machine.
        state: of the daemon.
        take: records an event.
    """

    def __init__(self, places: Places, state: WatcherState, take: Callable[[WatcherEvent], None]) -> None:
        self._places = places
        self._state = state
        self._take = take
        self._overtaken = ""

    async def read(self, role: str | None) -> None:
        """Reads what lies on this machine's disk about the other one; `role` is ours."""
        state = self._state
        state.other_contacts = await asyncio.to_thread(state.exchange.other)
        other = state.pair.peer_of(state.machine)
        found = await asyncio.to_thread(read_other_machine, self._places, state.machine, other, state.other_machine)
        if found != state.other_machine:
            # The name servers may have answered meanwhile.
            state.other_machine = replace(found, roles=state.other_machine.roles)
        now = time.time()
        words = state.other_machine.overtaken(state.machine, other, now) if role == "primary" else ""
        if words and not self._overtaken:
            self._take(WatcherEvent(now, EventKind.ROLE, state.machine, "primary", "overtaken", words))
        elif self._overtaken and not words and role == "primary":
            self._take(WatcherEvent(now, EventKind.ROLE, state.machine, "overtaken", "primary"))
        self._overtaken = words

    async def query_roles(self) -> None:
        """Asks the name servers who is primary."""
        state = self._state
        try:
            found = await asyncio.to_thread(query_public_roles, state.pair, state.machine)
        except RuntimeError:
            return  # the process ends, and starts no thread any more
        if found != state.other_machine.roles:
            state.other_machine = replace(state.other_machine, roles=found)
