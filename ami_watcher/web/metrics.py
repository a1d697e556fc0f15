"""Prometheus metrics, made from what is known at the moment they are asked for.

Labels hold names of pair.toml and words of ours alone. What Asterisk or a phone calls itself is never one: whoever can
register could otherwise make series without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ami_watcher.follow.snapshot import LinkState
from ami_watcher.phones.contact import Reach
from ami_watcher.web.series import STATES, series
from ami_watcher.web.state_view import StateView
from ami_watcher.web.watcher_state import WatcherState

CHANNELS: Final = ("sip", "iax2", "pjsip")
END: Final = b"# EOF\n"
"""The last line of OpenMetrics."""


KINDS: Final = ("application/openmetrics-text", "text/plain")
MOST_KINDS: Final = 100
"""In an Accept header; Prometheus names five."""


class WatcherMetrics:
    """Counts, and writes down what is known when it is asked."""

    def __init__(self, desk: WatcherState) -> None:
        """
        Args:
            desk: what is known.
        """
        self._desk = desk
        self._process = ProcessCollector(registry=None)
        self.changes: Counter[tuple[str, str]] = Counter()
        """Changes of registrations since the start, by trunk of pair.toml and new state."""

    def count(self, trunk: str, state: str) -> None:
        """Counts a change; one of a registration that pair.toml does not know counts for nobody."""
        if trunk in self._desk.pair.trunks and state in STATES:
            self.changes[(trunk, state)] += 1

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """Everything as of now, and its media type.

        Args:
            accept: header of the request.
        """
        # What only the loop may look at is looked at here; the text is written beside it.
        changes = dict(self.changes)
        daemon = tuple(self._daemon())
        return await self._desk.told(lambda glance: self._written(glance, daemon, changes, accept))

    def _written(
        self, glance: StateView, daemon: tuple[Metric, ...], changes: Mapping[tuple[str, str], int], accept: str
    ) -> tuple[bytes, str]:
        # The kind alone: the library compares whatever stands behind `version=` with a number.
        kinds = [one.partition(";")[0].strip() for one in accept.split(",", MOST_KINDS)]
        encode, kind = choose_encoder(next((one for one in kinds if one in KINDS), ""))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families((*daemon, *_moment(glance))))
        registry.register(self._process)
        text = encode(registry)
        openmetrics = text.endswith(END)
        rows = [row for row in glance.registrations.registrations if row.trunk in glance.pair.trunks]
        own = series(rows, changes, openmetrics=openmetrics).encode()
        return (text.removesuffix(END) + own + END if openmetrics else text + own), kind

    def _daemon(self) -> Iterable[Metric]:
        desk = self._desk
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


class _Families(Collector):
    """Families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._families


def _moment(glance: StateView) -> Iterable[Metric]:
    """What is true of one moment, but for the trunks one by one."""
    snapshot, health = glance.snapshot, glance.health
    info = InfoMetricFamily("hotstandby_watcher", "The daemon, and the Asterisk that it follows.")
    info.add_metric(
        (), {"version": health.version, "machine": glance.machine, "asterisk": snapshot.asterisk_version[:64]}
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
    yield _gauge("hotstandby_watcher_problems", "What /readyz names as wrong.", len(health.problems))
    unexpected = sum(row.state == "unexpected" for row in glance.registrations.registrations)
    yield _gauge("hotstandby_registrations_unexpected", "Registrations that hold here and must not.", unexpected)
    yield from _phones(glance)


def _phones(glance: StateView) -> Iterable[Metric]:
    document = glance.contacts(limit=0)
    counted = Counter((item.channel, item.reach) for item in glance.snapshot.contacts)
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
