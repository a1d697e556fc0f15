"""What refuses a promotion, and what lets it go on all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from failover.checks.registry import run_checks
from failover.checks.views import risks
from failover.facts.facts import Depth, Facts
from failover.peer.messages import AsteriskStatus
from failover.peer.remote import PeerEvidence
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import Evidence, OwnAsterisk
from failover.probes.name_server import ServerAnswer
from pair import Pair
from pair.public_role import RoleAnswer
from tests.failover.checks.examples import BOSTON as SERVING
from tests.failover.checks.examples import DEAD, FILES, NOW, PAIR, READY, evidence, found

BOSTON = SERVING.model_copy(update={"asterisk": AsteriskStatus(state="answers", words="answers", listed=True)})
SILENT = ProbeResult("ssh", "boston", "", ProbeAnswer.SILENT, "boston does not answer ssh", 3.0)
PING = ProbeResult("ping", "boston", "", ProbeAnswer.YES, "boston answers ping", 0.1)
OWN = OwnAsterisk(
    ProbeResult("asterisk", "dallas", "", ProbeAnswer.YES, "answers", 0.1),
    AsteriskStatus(state="answers", words="answers"),
)
UNABLE = replace(OWN, lacks=("dallas's Asterisk answers, and its lists cannot be read",))
CLOCK = ProbeResult("clock", "boston", "", ProbeAnswer.UNKNOWN, "boston's clock is not known", 0.0)


ANOTHER = BOSTON.model_copy(update={"pair_digest": "another"})


def server(name: str, serial: int) -> ServerAnswer:
    said = ProbeResult("dns", name, "", ProbeAnswer.YES, "", 0.1)
    return ServerAnswer(said, RoleAnswer(name, True, None, ""), serial)


NOBODY = Evidence(PeerEvidence(SILENT, None), (PING,), (), OWN, CLOCK)
ALIVE = replace(NOBODY, peer=PeerEvidence(replace(SILENT, answer=ProbeAnswer.YES), BOSTON))
LOOKED = Facts(
    pair=PAIR,
    machine="dallas",
    depth=Depth.PLAN,
    now=NOW,
    word="the plug is out",
    evidence=NOBODY,
    epoch=6,
    files=FILES,
)


def with_serials(**serials: int) -> Facts:
    servers = tuple(server(name, serial) for name, serial in serials.items())
    return replace(LOOKED, evidence=replace(NOBODY, servers=servers))


def carriers(**more: object) -> Pair:
    raw = PAIR.model_dump(by_alias=True, exclude_unset=True)
    raw["carriers"]["acme"].update(more)
    return Pair.model_validate(raw)


FENCED = Pair.model_validate(
    {**PAIR.model_dump(by_alias=True, exclude_unset=True), "fence": {"command": ["/bin/off"], "verify": ["/bin/off"]}}
)


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        (LOOKED, []),
        (replace(LOOKED, word=""), ["peer-may-live"]),
        (replace(LOOKED, word="", evidence=ALIVE), []),  # it can be asked to demote itself
        (
            replace(
                LOOKED,
                evidence=replace(
                    ALIVE, peer=PeerEvidence(SILENT, BOSTON.model_copy(update={"pair_digest": "another"}))
                ),
            ),
            ["pair-differs"],
        ),
        (replace(LOOKED, command="switchover"), ["peer-not-reached"]),
        # What serves is not taken down for a machine that cannot; where nothing serves there is nothing to lose.
        (replace(LOOKED, word="", evidence=replace(ALIVE, own=UNABLE)), ["cannot-serve"]),
        (replace(LOOKED, evidence=replace(NOBODY, own=UNABLE)), []),
        (replace(LOOKED, word="", pair=FENCED, evidence=replace(NOBODY, own=UNABLE)), ["cannot-serve"]),
        # It is primary already: completing what is missing takes nothing from anybody.
        (replace(LOOKED, word="", is_primary=True, right_epoch=6, evidence=replace(NOBODY, own=UNABLE)), []),
        (replace(LOOKED, files=replace(FILES, blockers=("sip.conf lacks the include",))), ["generation"]),
        (replace(LOOKED, now=NOW.replace(year=1970)), ["clock"]),
        (replace(LOOKED, sync_age_s=86400.0), []),
        (replace(LOOKED, sync_age_s=86401.0), ["sync-old"]),
        (
            replace(
                LOOKED,
                evidence=replace(
                    ALIVE,
                    peer=PeerEvidence(SILENT, BOSTON, clock_s=-3600.0),
                    clock=replace(CLOCK, answer=ProbeAnswer.ODD, words="the clocks differ by 3600 s"),
                ),
            ),
            ["clock"],
        ),
        (replace(LOOKED, evidence=replace(NOBODY, servers=(server("ns1", 5), server("ns2", 6)))), []),
        (with_serials(dallas=1, ns2=1 + 2**31, ns3=1 + 2**31), ["serial"]),
        (with_serials(dallas=1, ns2=1 + 2**31), []),  # one server alone stops nobody
        (replace(LOOKED, pair=carriers(allowed=["192.0.2.11"])), ["carrier-acme"]),
        (replace(LOOKED, pair=carriers(allowed=["192.0.2.11", "192.0.2.12"])), []),
    ],
)
def test_what_speaks_against_a_promotion(facts: Facts, names: list[str]) -> None:
    assert [risk.name for risk in risks(run_checks(facts))] == names


def test_nobody_can_take_it_on_themselves_to_fence_what_serves_for_what_cannot() -> None:
    (risk,) = risks(run_checks(replace(LOOKED, word="", evidence=replace(ALIVE, own=UNABLE))))
    assert not risk.can_be_forced
    assert "dallas could not serve, and boston does:\n  dallas's Asterisk answers, and its lists" in risk.words


def test_a_refusal_says_what_was_seen_and_what_to_type() -> None:
    (risk,) = risks(run_checks(replace(LOOKED, word="")))
    assert risk.words.startswith("REFUSED: boston answers ping; boston does not answer ssh.")
    assert '--peer-is-down "REASON"' in risk.words


@pytest.mark.parametrize(
    ("answer", "word", "risk"),
    [
        (ProbeAnswer.YES, "I pulled its plug", ["asterisk-answers"]),  # it answers: no word is enough, short of --force
        (ProbeAnswer.SILENT, "I pulled its plug", []),
        (ProbeAnswer.REFUSED, "its Asterisk is gone", []),  # alive, and no PBX
        (ProbeAnswer.YES, "", ["peer-may-live"]),
    ],
)
def test_a_persons_word_is_held_against_an_asterisk_that_answers(
    answer: ProbeAnswer, word: str, risk: list[str]
) -> None:
    seen = replace(evidence(DEAD), reach=(found("sip", answer), found("ping", ProbeAnswer.YES)))
    told = risks(run_checks(replace(READY, depth=Depth.PLAN, evidence=seen, word=word)))
    assert [one.name for one in told] == risk
    assert all(one.can_be_forced is (one.name == "asterisk-answers") for one in told)
