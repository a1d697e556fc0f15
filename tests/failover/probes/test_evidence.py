"""Whoever has a person's word does not wait long for a machine without any sign of life, and does for one with."""

from __future__ import annotations

import threading
import time

import pytest

from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import _no_life
from failover.probes.parallel import Enough, Probe, run_probes


def found(subject: str, answer: ProbeAnswer) -> ProbeResult:
    return ProbeResult("ping", subject, "", answer, "", 0.0)


def test_what_is_enough_ends_the_waiting_and_the_rest_counts_as_late() -> None:
    never = threading.Event()
    looks = [Probe(lambda: "here", lambda _: "late"), Probe(lambda: str(never.wait(30)), lambda _: "late")]
    began = time.monotonic()
    values = run_probes(looks, total_s=30.0, enough=Enough(0.1, lambda seen: 0 in seen))
    assert values == ("here", "late")
    assert time.monotonic() - began < 15.0
    never.set()


def test_what_is_not_enough_is_waited_for_to_the_end() -> None:
    slow = threading.Timer(0.3, lambda: None)
    slow.start()

    def answers_later() -> str:
        slow.join()
        return "here"

    looks = [Probe(answers_later, lambda _: "late")]
    assert run_probes(looks, total_s=30.0, enough=Enough(0.05, lambda seen: 0 in seen)) == ("here",)


@pytest.mark.parametrize(
    ("seen", "enough"),
    [
        ({1: found("ns3", ProbeAnswer.YES)}, True),
        ({1: found("ns3", ProbeAnswer.YES), 0: found("boston", ProbeAnswer.SILENT)}, True),
        (
            {1: found("ns3", ProbeAnswer.YES), 0: found("boston", ProbeAnswer.REFUSED)},
            False,
        ),  # something closed that port
        ({1: found("ns3", ProbeAnswer.YES), 0: found("boston", ProbeAnswer.ODD)}, False),
        ({0: found("boston", ProbeAnswer.SILENT)}, False),  # ns3 knows the number of the last promotion
    ],
)
def test_the_first_sign_of_life_has_all_of_it_waited_for(seen: dict[int, ProbeResult], enough: bool) -> None:
    assert _no_life(seen, "boston", {1}) is enough
