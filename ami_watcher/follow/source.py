"""Where the daemon has its knowledge from: what it needs of whatever follows Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from ami_watcher.follow.snapshot import Change, Snapshot
from ami_watcher.registrations.expected import ExpectedRegistration

if TYPE_CHECKING:
    from ami_watcher.ami.connection import AmiEndpoint
    from ami_watcher.follow.settings import FollowSettings


class AsteriskSource(Protocol):
    """Follows one Asterisk. Follower is the one that ships."""

    @property
    def snapshot(self) -> Snapshot:
        """Everything that is known now."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """Changes from now on, in order."""

    async def run(self, stop: asyncio.Event) -> None:
        """Follows until `stop` is set."""

    def reconfigure(
        self,
        wanted: Iterable[ExpectedRegistration],
        *,
        role: str | None,
        settings: FollowSettings | None = None,
        ami: AmiEndpoint | None = None,
    ) -> None:
        """Goes on with another pair.toml, or in another role."""
