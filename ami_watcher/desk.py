"""What the daemon knows, where the API, the page and the metrics ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from ami_watcher import documents
from ami_watcher.exchange import Exchange
from ami_watcher.history import REMEMBERED
from ami_watcher.hooks import Courier
from ami_watcher.hub import Hub
from ami_watcher.inventory import Export
from ami_watcher.keeper import Keeper
from ami_watcher.snapshot import LinkState
from ami_watcher.source import Source
from ami_watcher.view import contacts_document, registrations_document
from pair.model import Pair


class Desk:
    """One machine's knowledge. Only `history` touches the disk; everything else answers from memory."""

    def __init__(
        self,
        source: Source,
        pair: Pair,
        machine: str,
        keeper: Keeper,
        hub: Hub,
        exchange: Exchange,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            source: follows Asterisk.
            pair: pair.toml, replaced when it is read anew.
            machine: ours.
            keeper: phones and history.
            hub: who listens.
            exchange: the lists of phones of both machines.
            clock: unix seconds.
        """
        self.source = source
        self.pair = pair
        self.machine = machine
        self.keeper = keeper
        self.hub = hub
        self.exchange = exchange
        self.couriers: Sequence[Courier] = ()
        self.other: tuple[Export | None, str] = (None, "")
        """The other machine's list as last read, and why there is none."""
        self.warnings: dict[str, str] = {}
        """What is wrong and is no registration: by what it is about, in sentences."""
        self.since = clock()
        self.version = _version()
        self._clock = clock

    def registrations(self) -> documents.Registrations:
        """All registrations, as of now."""
        now = self._clock()
        self.keeper.alive(now)
        entries = self.keeper.memory.recall(kind="registration", limit=REMEMBERED)
        return registrations_document(self.source.snapshot, self.pair, entries, self.keeper.watched, now)

    def contacts(self, query: str = "", limit: int = 500) -> documents.Contacts:
        """Who is here, and who has not come back."""
        other, why = self.other
        return contacts_document(
            self.source.snapshot,
            self.keeper.inventory.known,
            other,
            why,
            self.pair.peer_of(self.machine),
            self._clock(),
            query=query,
            limit=limit,
        )

    async def history(
        self, *, since: float = 0.0, kind: str | None = None, subject: str | None = None, limit: int = 200
    ) -> documents.History:
        """What changed, from the file where it is well."""
        found, complete = await self.keeper.recall(since=since, kind=kind, subject=subject, limit=limit)
        return self._history(found, complete)

    def recent(self, limit: int) -> documents.History:
        """What changed lately, from memory; phones are left out, and what was unknown because the link was lost."""
        found = [
            entry
            for entry in self.keeper.memory.recall(limit=REMEMBERED)
            if entry.kind != "contact"
            and not (entry.kind == "registration" and "unknown" in (entry.before, entry.after))
        ]
        return self._history(found[-limit:], complete=True)

    def health(self) -> documents.Health:
        """Whether everything here is proven, and what is wrong besides."""
        snapshot = self.source.snapshot
        problems = list(self.warnings.values())
        if snapshot.link is not LinkState.SYNCED or snapshot.link_reason:
            problems.insert(0, snapshot.link_reason or f"The connection to Asterisk is {snapshot.link.value}.")
        problems += [note for note in (self.keeper.problem, self.keeper.note) if note]
        return documents.Health(
            ready=snapshot.link is LinkState.SYNCED,
            machine=self.machine,
            version=self.version,
            since=self.since,
            problems=tuple(problems),
        )

    def _history(self, found: Sequence[object], complete: bool) -> documents.History:
        return documents.History(
            machine=self.machine,
            at=self._clock(),
            complete=complete,
            note=None if complete else self.keeper.problem,
            entries=tuple(documents.HistoryEntry.model_validate(entry, from_attributes=True) for entry in found),
        )


def _version() -> str:
    try:
        return version("hotstandby")
    except PackageNotFoundError:
        return "unknown"
