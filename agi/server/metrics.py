"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Outcome(Enum):
    """How a session ended; the label of its metric."""

    DONE = "done"
    LATE = "late"
    """It did not end by its deadline, and the call went on."""
    HUNGUP = "hungup"
    FAILED = "failed"
    """The script raised something."""
    BUSY = "busy"
    """There was no place or no thread for it: back to the dialplan at once."""
    CROWDED = "crowded"
    """It said nothing, and gave way to another one."""
    REFUSED = "refused"
    """It is no AGI session."""
    UNKNOWN_SCRIPT = "unknown_script"


class AgiMetrics:
    """Counters of one server.

    Attributes:
        registry: what /metrics prints.
    """

    def __init__(
        self,
        *,
        open_now: Callable[[], float],
        waiting_now: Callable[[], float],
        lookups: Callable[[], Mapping[tuple[str, str], int]] = dict,
    ) -> None:
        """
        Args:
            open_now: how many sessions there are.
            waiting_now: how many of them wait for a thread.
            lookups: answers given so far by lookup and LOOKUP_STATUS.
        """
        self.registry = CollectorRegistry()
        self._sessions = Counter(
            "hotstandby_agi_sessions",
            "AGI sessions that ended, by the way they came and how they ended",
            ("way", "outcome"),
            registry=self.registry,
        )
        self._tampered = Counter(
            "hotstandby_agi_tampered",
            "AGI sessions whose environment was forged by the caller",
            ("way",),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "hotstandby_agi_session_seconds",
            "Seconds that a session took",
            ("way",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        Gauge("hotstandby_agi_open", "AGI sessions now", registry=self.registry).set_function(open_now)
        Gauge("hotstandby_agi_waiting", "AGI sessions that wait for a thread", registry=self.registry).set_function(
            waiting_now
        )
        self.registry.register(_Lookups(lookups))
        self._ended: dict[tuple[str, Outcome], Counter] = {}
        """Looked up once, see agi.server.session._DONE."""
        self._took = {way: self._seconds.labels(way) for way in ("fastagi", "handover")}
        for way in self._took:
            # An alert on a rate wants the zero to be there before the first one.
            self._tampered.labels(way)

    def ended(self, way: str, outcome: Outcome, seconds: float) -> None:
        """Counts a session that ended."""
        counter = self._ended.get((way, outcome))
        if counter is None:
            counter = self._ended[way, outcome] = self._sessions.labels(way, outcome.value)
        counter.inc()
        if outcome is not Outcome.REFUSED:
            self._took[way].observe(seconds)

    def tampered(self, way: str) -> None:
        """Counts a forged environment."""
        self._tampered.labels(way).inc()


class _Lookups(Collector):
    """Counts that somebody else keeps."""

    def __init__(self, counts: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "hotstandby_lookups", "Lookups answered, by name and LOOKUP_STATUS", labels=("name", "status")
        )
        for (name, status), count in sorted(self._counts().items()):
            family.add_metric((name, status), count)
        yield family

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering asks for no counts."""
        return iter(())
