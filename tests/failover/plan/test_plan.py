"""A plan as a value: what refuses it, and what its digest is of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from failover.checks.views import Risk
from failover.errors import Refused
from failover.plan.plan import Plan, StepPreview
from failover.probe_result import ProbeAnswer, ProbeResult

NOW = datetime(2026, 3, 14, 3, 12, tzinfo=UTC)
STEP = StepPreview("dns", "point pbx to 192.0.2.12", "every server", 2.0)
PLAN = Plan("promote", "dallas", "boston", 7, "digest", (STEP,), (), ())
FORCEABLE = Risk("clock", "The clocks differ by 400 s.")
FINAL = Risk("peer-may-live", "boston answers ping.", can_be_forced=False)


def test_a_plan_without_risks_is_safe() -> None:
    PLAN.raise_if_unsafe()


def test_a_risk_can_be_taken_by_a_person_with_a_reason_where_it_can_be_taken_at_all() -> None:
    plan = replace(PLAN, risks=(FORCEABLE,))
    with pytest.raises(Refused, match=r'(?s)400 s.*\(clock\) with: failover promote --force "REASON"'):
        plan.raise_if_unsafe()
    plan.raise_if_unsafe(force="I know")
    with pytest.raises(Refused, match="boston answers ping") as refused:
        replace(PLAN, risks=(FORCEABLE, FINAL)).raise_if_unsafe(force="I know")
    assert "400 s" not in str(refused.value)
    assert refused.value.exit_code == 3


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(PLAN, steps=(replace(STEP, expected_s=9.0),)), True),
        (
            replace(PLAN, evidence=(ProbeResult("ping", "boston", "", ProbeAnswer.YES, "boston answers ping", 0.1),)),
            True,
        ),
        (replace(PLAN, epoch=8), False),
        (replace(PLAN, pair_digest="other"), False),
        (replace(PLAN, steps=(replace(STEP, changes="point pbx to 192.0.2.66"),)), False),
        (replace(PLAN, risks=(FORCEABLE,)), False),
        (replace(PLAN, machine="boston"), False),
    ],
)
def test_the_digest_is_of_what_decides_and_not_of_what_varies(other: Plan, same: bool) -> None:
    assert (other.digest == PLAN.digest) is same
    if not same:
        with pytest.raises(Refused, match=f"{other.digest} now.*failover plan promote"):
            other.raise_unless_reviewed(PLAN.digest)
    else:
        other.raise_unless_reviewed(PLAN.digest)
