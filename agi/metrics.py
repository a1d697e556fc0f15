"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counters of one server.

    Attributes:
        registry: what /metrics prints.
    """

    def __init__(self, open_now: Callable[[], float], waiting_now: Callable[[], float]) -> None:
        """
        Args:
            open_now: how many sessions there are.
            waiting_now: how many of them wait for a thread.
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
        self._children: dict[tuple[str, str], Counter] = {}
        # An alert on a rate wants the zero to be there before the first one.
        self._forged = {way: self._tampered.labels(way) for way in ("fastagi", "handover")}
        self._took = {way: self._seconds.labels(way) for way in ("fastagi", "handover")}

    def ended(self, way: str, outcome: str, seconds: float) -> None:
        """Counts a session that ended."""
        child = self._children.get((way, outcome))
        if child is None:
            child = self._children[way, outcome] = self._sessions.labels(way, outcome)
        child.inc()
        if outcome != "refused":
            self._took[way].observe(seconds)

    def tampered(self, way: str) -> None:
        """Counts a forged environment."""
        self._forged[way].inc()
