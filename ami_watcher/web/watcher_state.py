"""Read-side state for API, page and metrics.

The loop alone changes it. Whoever asks gets a StateView: values of one moment, to work with in another thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeVar

from ami_watcher.event import EventKind, LinkState
from ami_watcher.follow.snapshot import AsteriskSource, Snapshot
from ami_watcher.history.store import HistoryStore
from ami_watcher.notify.notifier import Notifier
from ami_watcher.other_machine import OTHER_MACHINE_UNSEEN
from ami_watcher.phones.exchange import ContactExchange
from ami_watcher.phones.inventory import ContactExport
from ami_watcher.web import documents
from ami_watcher.web.events import EventHub
from ami_watcher.web.state_view import StateView, history_document
from pair.model import Pair
from pair.readiness import Readiness

Made = TypeVar("Made")

SHARED_S: Final = 1.0
"""So long a view serves everybody who asks, where nothing was learned meanwhile."""


class WatcherState:
    """One machine's knowledge. Only `history` touches the disk; everything else answers from memory."""

    def __init__(
        self,
        source: AsteriskSource,
        pair: Pair,
        machine: str,
        store: HistoryStore,
        hub: EventHub,
        exchange: ContactExchange,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            source: follows Asterisk.
            pair: pair.toml, replaced when it is read anew.
            machine: ours.
            store: phones and history.
            hub: who listens.
            exchange: the lists of phones of both machines.
            clock: unix seconds.
        """
        self.source = source
        self.pair = pair
        self.machine = machine
        self.store = store
        self.hub = hub
        self.exchange = exchange
        self.notifiers: Sequence[Notifier] = ()
        self.other_contacts: tuple[ContactExport | None, str] = (None, "")
        """The other machine's list as last read, and why there is none."""
        self.other_machine = OTHER_MACHINE_UNSEEN
        """The other machine as last seen, and the name servers' word."""
        self.readiness: Readiness | None = None
        """What the last `failover ready` here came to; None where nobody looked since the machine started."""
        self.warnings: dict[str, str] = {}
        """What is wrong and is no registration: by what it is about, in sentences."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="documents")
        self._shared: StateView | None = None
        self._stamp: tuple[object, ...] = ()
        self.since = clock()
        self.version = _version()
        self._clock = clock

    def view(self) -> StateView:
        """Everything as of now. Within a second in which nothing is learned, all who ask share one."""
        now = self._clock()
        self.store.mark_watched(now)
        snapshot = self.source.snapshot
        health = self._health(snapshot)
        known = self.store.inventory.known
        stamp = (
            snapshot.registrations,
            snapshot.link,
            snapshot.link_reason,
            snapshot.role,
            snapshot.contacts,
            snapshot.contacts_at is None,
            self.pair,
            self.store.recent.count,
            known,
            self.other_contacts,
            self.other_machine,
            health,
        )
        shared = self._shared
        if shared is None or not 0 <= now - shared.at < SHARED_S or not _same(stamp, self._stamp):
            shared = self._shared = StateView(
                at=now,
                snapshot=snapshot,
                pair=self.pair,
                events=self.store.recent.lasting,
                watched=self.store.watched,
                known=known,
                other_contacts=self.other_contacts,
                health=health,
                other_machine=self.other_machine,
                problem=self.warnings.get("pair.toml", ""),
            )
            self._stamp = stamp
        return shared

    async def compute(self, make: Callable[[StateView], Made]) -> Made:
        """What `make` computes from everything as of now, in a thread of its own, so that the loop goes on meanwhile.

        Args:
            make: uses the view that it gets and nothing that anybody changes.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, make, self.view())

    async def history(
        self, *, since: float = 0.0, kind: EventKind | None = None, subject: str | None = None, limit: int = 200
    ) -> documents.HistoryDocument:
        """What changed, from the file where it is well."""
        found, complete = await self.store.recall(since=since, kind=kind, subject=subject, limit=limit)
        note = None if complete else self.store.problem
        return await self.compute(
            lambda now: history_document(self.machine, found, now.at, complete=complete, note=note)
        )

    def health(self) -> documents.HealthDocument:
        """Whether everything here is proven, and what is wrong besides."""
        return self._health(self.source.snapshot)

    def close(self) -> None:
        """Nothing more is made."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _health(self, snapshot: Snapshot) -> documents.HealthDocument:
        problems = list(self.warnings.values())
        if snapshot.link is not LinkState.SYNCED or snapshot.link_reason:
            problems.insert(0, snapshot.link_reason or f"The connection to Asterisk is {snapshot.link.value}.")
        problems += [note for note in (self.store.problem, self.store.note) if note]
        return documents.HealthDocument(
            ready=snapshot.link is LinkState.SYNCED,
            machine=self.machine,
            version=self.version,
            since=self.since,
            problems=tuple(problems),
        )


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    # What is long is a value that stays the same one until it changes, and need not be compared.
    return len(one) == len(other) and all(
        a is b or (not isinstance(a, tuple) and a == b) for a, b in zip(one, other, strict=True)
    )


def _version() -> str:
    try:
        return version("hotstandby")
    except PackageNotFoundError:
        return "unknown"
