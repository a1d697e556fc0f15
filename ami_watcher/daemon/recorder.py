"""Takes each change once: into history, to whoever listens, into the counts, and to the hooks once it has held."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Final

from ami_watcher.event import EventKind, LinkState, WatcherEvent
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.history.recent import REMEMBERED
from ami_watcher.history.store import HistoryStore
from ami_watcher.notify.debounce import Debounce
from ami_watcher.notify.hooks import Notification
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web.events import EventHub
from ami_watcher.web.metrics import WatcherMetrics

log = logging.getLogger(__name__)

MISSED_S: Final = 3.0
"""A change that was not told after so long will not be: it is taken from what is listed."""
LASTING: Final = frozenset({LinkState.SYNCED, LinkState.LOST, LinkState.REFUSED})
"""States of the link that are remembered; the others last for a moment."""
FINE: Final = frozenset({RegistrationState.REGISTERED, LinkState.SYNCED, "primary", "standby"})
MANY: Final = 100
"""Phones that came or went in one list: from here on listeners are told how many, not each."""


class EventRecorder:
    """One run's record of what happened.

    Args:
        store: history.
        hub: listeners of /api/events.
        metrics: counts.
        machine: ours.
        pair_name: for the sentences of the log.
        settle_s: seconds for which a change must have held before hooks are told of it.
    """

    def __init__(
        self,
        store: HistoryStore,
        hub: EventHub,
        metrics: WatcherMetrics,
        *,
        machine: str,
        pair_name: str,
        settle_s: float,
    ) -> None:
        self.pair_name = pair_name
        self.debounce = Debounce(settle_s)
        self._store = store
        self._hub = hub
        self._metrics = metrics
        self._machine = machine
        self._heard: set[tuple[EventKind, str]] = set()
        self._contacts_at = 0.0

    def resume(self) -> None:
        """What history holds was told by an earlier run: a restart is no news."""
        self.debounce = Debounce(self.debounce.settle_s, self._store.recent.recall(limit=REMEMBERED))

    def take(self, event: WatcherEvent) -> None:
        """Records a change of a registration, the link, the role, or a re-registration, where it is news."""
        key = (event.kind, event.subject)
        last = self._store.recent.last(*key)
        first = key not in self._heard
        if event.kind is EventKind.LINK:
            if event.after not in LASTING:
                return
            event = replace(event, before=last.after if last is not None else None)
        self._heard.add(key)
        if first and last is not None and last.after == event.after:
            # A restart of ours is no news of the trunk.
            return
        self._store.record([event])
        self._publish([event])
        self.debounce.offer(event, time.monotonic())
        if event.kind is EventKind.REREGISTRATION:
            # Said by whoever did it.
            return
        level = logging.INFO if event.after in FINE else logging.WARNING
        if event.kind is EventKind.REGISTRATION:
            self._metrics.count(event.subject, event.after or RegistrationState.GONE)
            if not first and RegistrationState.UNKNOWN in (event.before, event.after):
                # The line about the link says it for all trunks at once.
                level = logging.DEBUG
        log.log(level, "%s", self.notification(event).sentence)

    def take_contacts(self, snapshot: Snapshot) -> None:
        """Records which phones came, went or changed, where the snapshot holds a list that was not taken yet."""
        at = snapshot.contacts_at
        # Each snapshot counts back from its own moment, so the same list differs by microseconds.
        if at is None or at - self._contacts_at < 0.1 or snapshot.link is not LinkState.SYNCED:
            return
        self._contacts_at = at
        events = self._store.take_contacts(snapshot.contacts, at)
        if len(events) > MANY:
            self._hub.publish("contacts", {"at": at, "changed": len(events), "total": len(snapshot.contacts)})
        else:
            self._publish(events)

    def take_missed(self, snapshot: Snapshot, now: float) -> None:
        """Records what was never told, at `now` (unix seconds): a source drops changes when thousands come at once."""
        for one in snapshot.registrations:
            last = self._store.recent.last(EventKind.REGISTRATION, one.trunk)
            known = last.after if last is not None else None
            if known != one.state.value and now - one.since > MISSED_S:
                # Not before what was told last, however the clock was set meanwhile.
                at = max(one.since, last.at if last is not None else 0.0)
                self.take(WatcherEvent(at, EventKind.REGISTRATION, one.trunk, known, one.state.value, one.cause))

    def due(self) -> list[Notification]:
        """What hooks are to be told now: each change once, when it has held."""
        return [self.notification(event) for event in self.debounce.due(time.monotonic())]

    def notification(self, event: WatcherEvent) -> Notification:
        """The event with where it happened."""
        return Notification(event, self._machine, self.pair_name)

    def _publish(self, events: Iterable[WatcherEvent]) -> None:
        for event in events:
            self._hub.publish(event.kind, asdict(event))
