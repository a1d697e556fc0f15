from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from failover.errors import Refused
from failover.peer.messages import AsteriskStatus, PeerStatus
from failover.peer.remote import PeerEvidence
from failover.plan.plan import Plan, PlannedStep, Risk
from failover.plan.risks import Looked, risks
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import Evidence, OwnAsterisk
from failover.probes.name_server import ServerAnswer
from pair import Pair
from pair.public_role import RoleAnswer
from tests.pair.example import example

NOW = datetime(2026, 3, 14, 3, 12, tzinfo=UTC)
STEP = PlannedStep("dns", "point pbx to 192.0.2.12", "every server", 2.0)
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


PAIR = example()
SILENT = ProbeResult("ssh", "boston", "", ProbeAnswer.SILENT, "boston does not answer ssh", 3.0)
PING = ProbeResult("ping", "boston", "", ProbeAnswer.YES, "boston answers ping", 0.1)
OWN = OwnAsterisk(
    ProbeResult("asterisk", "dallas", "", ProbeAnswer.YES, "answers", 0.1),
    AsteriskStatus(state="answers", words="answers"),
)
UNABLE = replace(OWN, lacks=("dallas's Asterisk answers, and its lists cannot be read",))
CLOCK = ProbeResult("clock", "boston", "", ProbeAnswer.UNKNOWN, "boston's clock is not known", 0.0)


def status(digest: str) -> PeerStatus:
    return PeerStatus(
        machine="boston",
        pair="secondsignal",
        pair_digest=digest,
        wall=1.0,
        boot_id="b",
        role="primary",
        generation="1",
        is_primary=True,
        why="boston is primary",
        right_held=True,
        epoch=6,
        fenced="",
        paused="",
        open_run="",
        asterisk=AsteriskStatus(state="answers", words="answers", listed=True),
    )


def server(name: str, serial: int) -> ServerAnswer:
    found = ProbeResult("dns", name, "", ProbeAnswer.YES, "", 0.1)
    return ServerAnswer(found, RoleAnswer(name, True, None, ""), serial)


DEAD = Evidence(PeerEvidence(SILENT, None), (PING,), (), OWN, CLOCK)
ALIVE = replace(DEAD, peer=PeerEvidence(replace(SILENT, answer=ProbeAnswer.YES), status(PAIR.digest)))
LOOKED = Looked(PAIR, "dallas", "promote", DEAD, "the plug is out", (), None, 2026)


def with_serials(**serials: int) -> Looked:
    servers = tuple(server(name, serial) for name, serial in serials.items())
    return replace(LOOKED, evidence=replace(DEAD, servers=servers))


def carriers(**more: object) -> Pair:
    raw = PAIR.model_dump(by_alias=True, exclude_unset=True)
    raw["carriers"]["acme"].update(more)
    return Pair.model_validate(raw)


FENCED = Pair.model_validate(
    {**PAIR.model_dump(by_alias=True, exclude_unset=True), "fence": {"command": ["/bin/off"], "verify": ["/bin/off"]}}
)


@pytest.mark.parametrize(
    ("looked", "names"),
    [
        (LOOKED, []),
        (replace(LOOKED, word=""), ["peer-may-live"]),
        (replace(LOOKED, word="", evidence=ALIVE), []),  # it can be asked to demote itself
        (replace(LOOKED, evidence=replace(ALIVE, peer=PeerEvidence(SILENT, status("another")))), ["pair-differs"]),
        (replace(LOOKED, command="switchover"), ["peer-not-reached"]),
        # What serves is not taken down for a machine that cannot; where nothing serves there is nothing to lose.
        (replace(LOOKED, word="", evidence=replace(ALIVE, own=UNABLE)), ["cannot-serve"]),
        (replace(LOOKED, evidence=replace(DEAD, own=UNABLE)), []),
        (replace(LOOKED, word="", pair=FENCED, evidence=replace(DEAD, own=UNABLE)), ["cannot-serve"]),
        # It is primary already: completing what is missing takes nothing from anybody.
        (replace(LOOKED, word="", serves=True, evidence=replace(DEAD, own=UNABLE)), []),
        (replace(LOOKED, generation_problems=("sip.conf lacks the include",)), ["generation"]),
        (replace(LOOKED, wall_year=1970), ["clock"]),
        (replace(LOOKED, sync_age_s=86400.0), []),
        (replace(LOOKED, sync_age_s=86401.0), ["sync-old"]),
        (
            replace(
                LOOKED,
                evidence=replace(
                    ALIVE,
                    peer=PeerEvidence(SILENT, status(PAIR.digest), clock_s=-3600.0),
                    clock=replace(CLOCK, answer=ProbeAnswer.ODD, words="the clocks differ by 3600 s"),
                ),
            ),
            ["clock"],
        ),
        (replace(LOOKED, evidence=replace(DEAD, servers=(server("ns1", 5), server("ns2", 6)))), []),
        (with_serials(dallas=1, ns2=1 + 2**31, ns3=1 + 2**31), ["serial"]),
        (with_serials(dallas=1, ns2=1 + 2**31), []),  # one server alone stops nobody
        (replace(LOOKED, pair=carriers(allowed=["192.0.2.11"])), ["carrier-acme"]),
        (replace(LOOKED, pair=carriers(allowed=["192.0.2.11", "192.0.2.12"])), []),
    ],
)
def test_what_speaks_against_a_promotion(looked: Looked, names: list[str]) -> None:
    assert [risk.name for risk in risks(looked, NOW)] == names


def test_nobody_can_take_it_on_themselves_to_fence_what_serves_for_what_cannot() -> None:
    (risk,) = risks(replace(LOOKED, word="", evidence=replace(ALIVE, own=UNABLE)), NOW)
    assert not risk.can_be_forced
    assert "dallas could not serve, and boston does:\n  dallas's Asterisk answers, and its lists" in risk.words


def test_a_refusal_says_what_was_seen_and_what_to_type() -> None:
    (risk,) = risks(replace(LOOKED, word=""), NOW)
    assert risk.words.startswith("REFUSED: boston answers ping; boston does not answer ssh.")
    assert '--peer-is-down "REASON"' in risk.words
