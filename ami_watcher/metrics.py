"""Prometheus metrics, made from what is known at the moment they are asked for.

Labels hold names of pair.toml and words of ours alone. What Asterisk or a phone calls itself is never one: whoever can
register could otherwise make series without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from ami_watcher.contact import Reach
from ami_watcher.desk import Desk
from ami_watcher.snapshot import LinkState

STATES: Final = (
    "registered",
    "registering",
    "rejected",
    "unregistered",
    "gone",
    "unexpected",
    "unknown",
    "standby",
)
CHANNELS: Final = ("sip", "iax2", "pjsip")


class Metrics(Collector):
    """Asks the desk whenever it is asked."""

    def __init__(self, desk: Desk) -> None:
        """
        Args:
            desk: what is known.
        """
        self._desk = desk
        self.changes: Counter[tuple[str, str]] = Counter()
        """Changes of registrations since the start, by trunk of pair.toml and new state."""

    def count(self, trunk: str, state: str) -> None:
        """Counts a change; one of a registration that pair.toml does not know counts for nobody."""
        if trunk in self._desk.pair.trunks and state in STATES:
            self.changes[(trunk, state)] += 1

    def registry(self) -> CollectorRegistry:
        """A registry with these and the process's own metrics."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(registry=registry)
        return registry

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked for at registration."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Everything as of now."""
        yield from self._daemon()
        yield from self._registrations()
        yield from self._phones()

    def _daemon(self) -> Iterable[Metric]:
        desk, snapshot = self._desk, self._desk.source.snapshot
        info = InfoMetricFamily("hotstandby_watcher", "The daemon, and the Asterisk that it follows.")
        info.add_metric(
            (), {"version": desk.version, "machine": desk.machine, "asterisk": snapshot.asterisk_version[:64]}
        )
        yield info
        yield _gauge("hotstandby_ami_up", "1 while the lists of Asterisk are read.", snapshot.link is LinkState.SYNCED)
        link = StateSetMetricFamily("hotstandby_ami_state", "State of the connection to Asterisk.")
        link.add_metric((), {state.value.replace(" ", "_"): state is snapshot.link for state in LinkState})
        yield link
        if snapshot.registrations_at is not None:
            yield _gauge(
                "hotstandby_ami_last_list_timestamp_seconds",
                "When the lists of registrations were last read.",
                snapshot.registrations_at,
            )
        yield _gauge(
            "hotstandby_primary",
            "1 while this machine's active configuration is the primary's.",
            snapshot.role == "primary",
        )
        yield _gauge("hotstandby_watcher_problems", "What /readyz names as wrong.", len(desk.health().problems))
        yield _gauge("hotstandby_store_up", "1 while history reaches the disk.", desk.keeper.problem is None)
        yield _gauge("hotstandby_event_listeners", "Clients of /api/events now.", desk.hub.listeners)
        notices = CounterMetricFamily(
            "hotstandby_notices",
            "Changes told to hooks and the web hook, by what became of them.",
            labels=("to", "result"),
        )
        for courier in desk.couriers:
            for result in ("delivered", "failed", "dropped"):
                notices.add_metric((courier.destination.name, result), getattr(courier, result))
        yield notices

    def _registrations(self) -> Iterable[Metric]:
        document = self._desk.registrations()
        names = ("trunk", "channel")
        up = GaugeMetricFamily("hotstandby_registration_up", "1 while the registration holds here.", labels=names)
        wanted = GaugeMetricFamily(
            "hotstandby_registration_wanted", "1 where the registration should hold here.", labels=names
        )
        state = StateSetMetricFamily("hotstandby_registration_state", "State of the registration.", labels=names)
        since = GaugeMetricFamily(
            "hotstandby_registration_since_timestamp_seconds", "When the state began.", labels=names
        )
        expiry = GaugeMetricFamily(
            "hotstandby_registration_expiry_seconds", "Expiry that was granted or asked for.", labels=names
        )
        unexpected = 0
        for row in document.registrations:
            unexpected += row.state == "unexpected"
            if row.trunk not in self._desk.pair.trunks:
                continue
            labels = (row.trunk, row.channel)
            up.add_metric(labels, row.state == "registered")
            wanted.add_metric(labels, row.state not in ("standby", "unexpected"))
            state.add_metric(labels, {word: word == row.state for word in STATES})
            if row.since is not None:
                since.add_metric(labels, row.since)
            if row.expiry_s is not None:
                expiry.add_metric(labels, row.expiry_s)
        yield from (up, wanted, state, since, expiry)
        yield _gauge("hotstandby_registrations_unexpected", "Registrations that hold here and must not.", unexpected)
        changes = CounterMetricFamily(
            "hotstandby_registration_changes",
            "Changes into a state since the daemon started.",
            labels=("trunk", "state"),
        )
        for (trunk, word), number in sorted(self.changes.items()):
            changes.add_metric((trunk, word), number)
        yield changes

    def _phones(self) -> Iterable[Metric]:
        document = self._desk.contacts(limit=0)
        counted = Counter((item.channel, item.reach) for item in self._desk.source.snapshot.contacts)
        contacts = GaugeMetricFamily(
            "hotstandby_contacts", "Phones and peers that are registered here.", labels=("channel", "reach")
        )
        for channel in CHANNELS:
            for reach in Reach:
                contacts.add_metric((channel, reach.value), counted[(channel, reach)])
        yield contacts
        yield _gauge("hotstandby_contacts_missing", "Phones that have not come back.", len(document.missing))
        if document.other_at is not None:
            yield _gauge(
                "hotstandby_contacts_other_timestamp_seconds",
                "When the other machine wrote its list of phones.",
                document.other_at,
            )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))
