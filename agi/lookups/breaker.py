"""When to stop asking a Domino that does not answer, and when to try it again. No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """One question's trust in its server; each method returns the breaker after it.

    After `tolerated` failures in a row nothing is asked for `pause_s`; then one question goes through as a probe. If it
    fails too the pause doubles, up to `longest_s`; any success closes the breaker.

    Attributes:
        tolerated: failures in a row.
        pause_s, longest_s: seconds.
        failures: in a row so far.
        open_until: seconds on the caller's monotonic clock; None: closed.
        probing_until: a probe is out and must have reported by then; another may go after that.
    """

    tolerated: int = 3
    pause_s: float = 5.0
    longest_s: float = 60.0
    failures: int = 0
    open_until: float | None = None
    probing_until: float | None = None

    def lets(self, now: float) -> bool:
        """Whether one may ask now."""
        if self.open_until is None:
            return True
        return now >= self.open_until and (self.probing_until is None or now >= self.probing_until)

    def asking(self, now: float, deadline: float) -> CircuitBreaker:
        """Somebody asks, and will have the answer by `deadline`."""
        return self if self.open_until is None else replace(self, probing_until=max(now, deadline))

    def answered(self) -> CircuitBreaker:
        """The server answered, be it with data or with a page."""
        return replace(self, failures=0, open_until=None, probing_until=None)

    def failed(self, now: float) -> CircuitBreaker:
        """The server did not answer."""
        if self.open_until is not None and self.probing_until is None:
            return self  # asked before it opened: that is known already
        failures = self.failures + 1
        if failures < self.tolerated:
            return replace(self, failures=failures)
        doubled = self.pause_s * 2 ** min(failures - self.tolerated, 30)
        return replace(self, failures=failures, open_until=now + min(doubled, self.longest_s), probing_until=None)
