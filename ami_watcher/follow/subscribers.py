"""Who is told of each change as it happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from ami_watcher.follow.snapshot import Change

QUEUE: Final = 1000
"""Changes that wait for a subscriber that does not come; older ones are dropped."""


class Subscribers:
    """Gives every change to everybody who is subscribed."""

    def __init__(self) -> None:
        self._all: set[_Subscriber] = set()

    def tell(self, change: Change) -> None:
        """Gives it to everybody; waits for nobody."""
        for subscriber in self._all:
            subscriber.put(change)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Change]]:
        """Changes from now on."""
        subscriber = _Subscriber()
        self._all.add(subscriber)
        try:
            yield subscriber
        finally:
            self._all.discard(subscriber)


class _Subscriber(AsyncIterator[Change]):
    """A bounded queue; the oldest changes go first."""

    def __init__(self) -> None:
        self._waiting: deque[Change] = deque(maxlen=QUEUE)
        self._some = asyncio.Event()

    def put(self, change: Change) -> None:
        self._waiting.append(change)
        self._some.set()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()
