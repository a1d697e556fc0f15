"""What every trunk's series are written as: the bytes that prometheus_client would write, in both of its formats."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, StateSetMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from ami_watcher.level import Level
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web.documents import RegistrationDocument, StateWord
from ami_watcher.web.metrics import STATES, series

CHANGES = {("acme", "rejected"): 2, ("acme", "registered"): 12_345_678, ("metro", "gone"): 1}


def a_row(trunk: str, state: StateWord, since: float | None, expiry_s: float | None) -> RegistrationDocument:
    return RegistrationDocument(
        trunk=trunk,
        channel="sip",
        host=None,
        state=state,
        level=Level.GOOD,
        word=state,
        since=since,
        proof=None,
        expiry_s=expiry_s,
        cause=None,
        required=False,
        strip=(),
        outages=0,
        outage_s=0.0,
    )


ROWS = (
    a_row("acme", RegistrationState.REGISTERED, 1_763_825_000.1234567, 120),
    a_row("metro", RegistrationState.GONE, 1_763_825_000.0, None),
    a_row("nova-2", "standby", None, None),
    a_row("over", RegistrationState.UNEXPECTED, 0.5, 3600.5),
)


class Theirs(Collector):
    def describe(self) -> tuple[Metric, ...]:
        return ()

    def collect(self) -> tuple[Metric, ...]:
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
        for row in ROWS:
            labels = (row.trunk, row.channel)
            up.add_metric(labels, row.state == "registered")
            wanted.add_metric(labels, row.state not in ("standby", "unexpected"))
            state.add_metric(labels, {word: word == row.state for word in STATES})
            if row.since is not None:
                since.add_metric(labels, row.since)
            if row.expiry_s is not None:
                expiry.add_metric(labels, row.expiry_s)
        changes = CounterMetricFamily(
            "hotstandby_registration_changes",
            "Changes into a state since the daemon started.",
            labels=("trunk", "state"),
        )
        for (trunk, word), number in sorted(CHANGES.items()):
            changes.add_metric((trunk, word), number)
        return (up, wanted, state, since, expiry, changes)


@pytest.mark.parametrize("modern", [False, True])
def test_they_are_what_prometheus_client_writes(modern: bool) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Theirs())
    theirs = (
        (openmetrics.generate_latest(registry) if modern else generate_latest(registry))  # type: ignore[no-untyped-call]
        .decode()
        .removesuffix("# EOF\n")
    )
    assert series(ROWS, CHANGES, openmetrics=modern) == theirs
