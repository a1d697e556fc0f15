"""The views never contradict each other: whatever the facts, what refuses a plan is no secret of the plan's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.checks.check import FindingLevel, Lifted
from failover.checks.registry import CHECKS, run_checks
from failover.checks.views import check_exit, of_step, ready_exit, risks
from failover.facts.facts import Depth, Facts, KeyAnswer, OpenRun
from failover.peer.messages import AsteriskStatus, PeerRegistration
from failover.peer.remote import PeerEvidence
from failover.peer.secrets import SecretsComparison
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import Evidence, OwnAsterisk, clock
from failover.probes.name_server import ServerAnswer
from failover.steps.proof.external_checks import ProofResult
from host.exits import Exit
from pair import Pair
from pair.public_role import PublicRole, RoleAnswer
from tests.failover.checks.examples import BOSTON, FILES, NOW, PAIR, SET_UP

"""A busy machine takes long to make up facts."""
FAR = 1 + 2**31
"""A serial that is neither later nor earlier than 1."""
WORDS = st.sampled_from(["", "a reason"])
TEXTS = st.sampled_from([(), ("one",), ("one", "another")])
ANSWERS = st.sampled_from(ProbeAnswer)
RAW = PAIR.model_dump(by_alias=True, exclude_unset=True)
PAIRS = st.sampled_from(
    [
        PAIR,
        Pair.model_validate({**RAW, "fence": {"command": ["/bin/off"], "verify": ["/bin/off"]}}),
        Pair.model_validate({**RAW, "carriers": {"acme": {**RAW["carriers"]["acme"], "allowed": ["192.0.2.11"]}}}),
        Pair.model_validate({key: value for key, value in RAW.items() if key != "dns"}),
    ]
)
HELD = PeerRegistration(trunk="acme", shared=True, state="Registered", registered=True)
PBX = st.builds(
    AsteriskStatus,
    state=st.sampled_from(["answers", "silent", "down"]),
    words=st.just("its Asterisk"),
    listed=st.booleans(),
    registrations=st.sampled_from(
        [(), (PeerRegistration(trunk="acme", shared=True, state="Registered", registered=True),)]
    ),
)


def result(probe: str, answer: ProbeAnswer) -> ProbeResult:
    return ProbeResult(probe, "boston", "", answer, f"{probe} {answer.value}", 0.1)


@st.composite
def peers(draw: st.DrawFn, pair: Pair) -> PeerEvidence:
    if draw(st.booleans()):
        return PeerEvidence(result("ssh", draw(ANSWERS)), None)
    changed = {
        "asterisk": draw(PBX),
        "is_primary": draw(st.booleans()),
        "epoch": draw(st.integers(0, 9)),
        "right_epoch": draw(st.integers(0, 9)),
        "pair_digest": draw(st.sampled_from([pair.digest, "another"])),
    }
    clock_s = draw(st.sampled_from([0.0, 1.0, 30.0, -3600.0]))
    return PeerEvidence(result("ssh", ProbeAnswer.YES), BOSTON.model_copy(update=changed), clock_s, 0.1)


@st.composite
def servers(draw: st.DrawFn) -> tuple[ServerAnswer, ...]:
    roles = st.none() | st.builds(PublicRole, st.integers(1, 9), st.sampled_from(["boston", "dallas"]))
    serials = draw(st.sampled_from([(1, 1, 1), (5, 1, 0), (FAR, 1, FAR)]))
    return tuple(
        ServerAnswer(result("dns", draw(ANSWERS)), RoleAnswer(name, draw(st.booleans()), draw(roles), ""), serial)
        for name, serial in zip(("boston", "dallas", "ns3"), serials, strict=True)
    )


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Anything that may be seen of a pair; what belongs to the set-up alone is good, for nothing of it refuses."""
    pair = draw(PAIRS)
    peer = draw(peers(pair))
    own = OwnAsterisk(result("asterisk", draw(ANSWERS)), draw(PBX), draw(TEXTS), draw(TEXTS))
    reach = tuple(result(probe, draw(ANSWERS)) for probe in ("ping", "sip"))
    return replace(
        SET_UP,
        pair=pair,
        command=draw(st.sampled_from(["promote", "switchover"])),
        word=draw(WORDS),
        now=draw(st.sampled_from([NOW, NOW.replace(year=1970)])),
        evidence=Evidence(peer, reach, draw(servers()) if pair.dns else (), own, clock("boston", peer)),
        is_primary=draw(st.booleans()),
        epoch=draw(st.integers(0, 9)),
        right_epoch=draw(st.integers(0, 9)),
        open_run=draw(st.none() | st.builds(OpenRun, st.just("promote"), st.just(3), st.booleans(), st.booleans())),
        files=replace(FILES, blockers=draw(TEXTS), errors=draw(TEXTS), warnings=draw(TEXTS)),
        sync_age_s=draw(st.none() | st.sampled_from([0.0, 1e6])),
        warning=draw(WORDS),
        fenced=draw(WORDS),
        paused=draw(WORDS),
        free_bytes=draw(st.sampled_from([0, 10**9])),
        secrets=draw(TEXTS),
        compared=SecretsComparison(differ=draw(st.sampled_from([(), ("trunks.acme.secret_file",), ("dns.key_file",)]))),
        proven=draw(st.sampled_from([{}, {"acme": 1.0}])),
        carriers={name: result("sip", draw(ANSWERS)) for name in ("acme", "own")},
        zone_obstacle=draw(WORDS),
        domino=draw(st.sampled_from([(), (ProofResult("domino", None, "a site", 0.1),)])),
        keys={"ns3": draw(st.sampled_from(KeyAnswer))} if pair.dns else {},
    )


def looked_at(facts: Facts, depth: Depth) -> Facts:
    """The same, to a lesser depth; the checks of a plan may not read what was not looked at for one."""
    return replace(facts, depth=depth)


@given(facts())
def test_what_refuses_a_plan_is_neither_ready_nor_in_order(seen: Facts) -> None:
    refused = risks(run_checks(looked_at(seen, Depth.PLAN)))
    ready, check = run_checks(looked_at(seen, Depth.READY)), run_checks(seen)
    if refused:
        assert ready_exit(ready) is not Exit.DONE
        assert check_exit(check) is Exit.FAILED
    if [one for one in refused if one.name != "peer-may-live"]:
        # What a person's word about the peer does not lift is never "ready, but".
        assert ready_exit(ready) is Exit.FAILED
    if ready_exit(ready) is Exit.DONE:
        assert refused == ()


@given(facts())
def test_what_blocks_in_one_view_blocks_in_every_other(seen: Facts) -> None:
    ready = run_checks(looked_at(seen, Depth.READY))
    blockers = [one for one in ready if one.level is FindingLevel.BLOCKER]
    if blockers:
        assert ready_exit(ready) is Exit.FAILED
        assert check_exit(run_checks(seen)) is Exit.FAILED
    for step in {one.check.step for one in blockers}:
        assert of_step(ready, step)[0].level is FindingLevel.BLOCKER


@given(facts())
def test_a_plan_is_refused_by_the_same_whatever_else_was_looked_at(seen: Facts) -> None:
    shallow = risks(run_checks(looked_at(seen, Depth.PLAN)))
    assert risks(run_checks(looked_at(seen, Depth.READY))) == shallow
    assert risks(run_checks(seen)) == shallow


@given(facts())
def test_a_finding_that_refuses_is_as_grave_as_what_lifts_it(seen: Facts) -> None:
    for one in run_checks(seen):
        refusal = one.finding.refusal
        if refusal is not None:
            wanted = FindingLevel.ERROR if refusal.lifted is Lifted.BY_WORD else FindingLevel.BLOCKER
            assert one.level is wanted
        assert (one.level is FindingLevel.GOOD) != bool(one.finding.mend), one


def test_a_word_lifts_what_waits_for_a_word_alone() -> None:
    dead = replace(SET_UP.evidence, peer=PeerEvidence(result("ssh", ProbeAnswer.SILENT), None))
    assert [one.name for one in risks(run_checks(replace(SET_UP, evidence=dead)))] == ["peer-may-live"]
    assert risks(run_checks(replace(SET_UP, evidence=dead, word="the plug is out"))) == ()


def test_whatever_may_block_names_the_step_that_would_fail() -> None:
    """So that no rehearsal passes over what `ready` calls missing; a pause stops no person."""
    assert [one.name for one in CHECKS if one.depth <= Depth.READY and not one.step] == ["paused"]


@pytest.mark.parametrize("depth", Depth)
def test_only_what_was_looked_at_is_asked_for(depth: Depth) -> None:
    asked = {one.check.depth for one in run_checks(replace(SET_UP, depth=depth))}
    assert asked == {each for each in Depth if each <= depth}


def test_no_check_stands_twice_in_the_list() -> None:
    assert max(Counter(one.find for one in CHECKS).values()) == 1
