"""Looks at the carriers without changing anything: whether their APIs let this machine in, and where they route."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from failover.context import Context
from failover.journal.mask import Mask
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.steps.carrier.http import CarrierNotReached, CarrierRefused, CarrierUnclear
from failover.steps.carrier.routes import Deadline, RouteReading
from failover.steps.carrier.step import CarrierStep, carrier_step
from host.errors import HotstandbyError

LOOK_S: Final = 6.0
"""Seconds for one carrier."""


def probe_carriers(context: Context) -> list[ProbeResult]:
    """One look for each carrier that has an API; never raises for what it finds."""
    names = [name for name, carrier in context.pair.carriers.items() if carrier.preset != "manual"]
    if not names:
        return []
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: probe_carrier(context, name), names))


def probe_carrier(context: Context, name: str) -> ProbeResult:
    """Reads the route of every number of one carrier."""
    started = time.monotonic()

    def found(answer: ProbeAnswer, words: str) -> ProbeResult:
        return ProbeResult("carrier", name, "its numbers' routes", answer, words, time.monotonic() - started)

    mask = Mask()
    try:
        step = carrier_step(context.places, context.pair, name, context.machine, mask)
        assert isinstance(step, CarrierStep)
        answers = step.routes.read_all(step.wanted, Deadline(LOOK_S))
    except HotstandbyError as error:
        return found(ProbeAnswer.UNKNOWN, mask(f"carrier {name} could not be asked: {error}"))
    wrong = [error for error in answers.values() if not isinstance(error, RouteReading)]
    if not wrong:
        here_now = sum(
            1 for item, seen in answers.items() if isinstance(seen, RouteReading) and seen.now == step.wanted[item]
        )
        return found(
            ProbeAnswer.YES, f"carrier {name} answers: {here_now} of {len(answers)} routed to {context.machine}"
        )
    first = wrong[0]
    kinds = {
        CarrierRefused: ProbeAnswer.REFUSED,
        CarrierNotReached: ProbeAnswer.SILENT,
        CarrierUnclear: ProbeAnswer.ODD,
    }
    answer = next((kind for error, kind in kinds.items() if isinstance(first, error)), ProbeAnswer.ODD)
    return found(answer, mask(f"carrier {name}: {len(wrong)} of {len(answers)} could not be read: {first}"))
