"""`failover ready`: what stands in the way of a promotion is named, and what nobody looked at is not fine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from failover.checks.check import FindingLevel
from failover.checks.registry import run_checks
from failover.checks.views import ready_exit, ready_items
from failover.facts.facts import Facts, OpenRun
from failover.overview.next_step import next_step
from failover.peer.messages import AsteriskStatus, PeerRegistration
from failover.peer.remote import PeerEvidence
from failover.peer.secrets import SecretsComparison
from failover.probe_result import ProbeAnswer
from failover.probes.evidence import OwnAsterisk, clock
from failover.steps.proof.external_checks import ProofResult
from host.exits import Exit
from pair.public_role import PublicRole, RoleAnswer
from tests.failover.checks.examples import (
    ASKED,
    BOSTON,
    CARRIERS,
    DEAD,
    FILES,
    OWN,
    READY,
    SILENT_OWN,
    evidence,
    found,
    in_pair,
)
from tests.failover.overview.test_overview import BOTH, overview

GOOD, WARNING, ERROR, BLOCKER, UNSEEN = (
    FindingLevel.GOOD,
    FindingLevel.WARNING,
    FindingLevel.ERROR,
    FindingLevel.BLOCKER,
    FindingLevel.UNSEEN,
)


def names(facts: Facts) -> dict[str, FindingLevel]:
    """What is not good, with the gravest that is said of it."""
    wrong: dict[str, FindingLevel] = {}
    for one in ready_items(run_checks(facts)):
        if one.level is not GOOD:
            wrong[one.name] = min(one.level, wrong.get(one.name, one.level))
    return wrong


def seen(**changed: object) -> Facts:
    return replace(READY, evidence=replace(READY.evidence, **changed))  # type: ignore[arg-type]


SILENT = {"acme": found("sip", ProbeAnswer.SILENT)}  # required
FAR_CLOCK = PeerEvidence(ASKED.found, BOSTON, 3600.0, 0.1)
NEAR_CLOCK = PeerEvidence(ASKED.found, BOSTON, 30.0, 0.1)


@pytest.mark.parametrize(
    ("facts", "code", "item", "level"),
    [
        (replace(READY, files=replace(FILES, generation="")), Exit.DEGRADED, "files", WARNING),
        (replace(READY, files=replace(FILES, of_this_pair=False)), Exit.DEGRADED, "files", WARNING),
        (replace(READY, files=replace(FILES, blockers=("sip.conf lacks it",))), Exit.FAILED, "files", BLOCKER),
        (replace(READY, files=replace(FILES, errors=("As standby, …",))), Exit.FAILED, "files", BLOCKER),
        (replace(READY, secrets=("acme is empty",)), Exit.FAILED, "secrets", BLOCKER),
        (replace(READY, warning="pair.toml has 1 problem"), Exit.DEGRADED, "pair.toml", ERROR),
        (
            seen(peer=replace(ASKED, status=BOSTON.model_copy(update={"pair_digest": "x"}))),
            Exit.FAILED,
            "pair.toml",
            BLOCKER,
        ),
        (replace(READY, free_bytes=1000), Exit.FAILED, "journal", BLOCKER),
        (replace(READY, open_run=OpenRun("promote", 3)), Exit.FAILED, "journal", BLOCKER),
        (replace(READY, open_run=OpenRun("promote", 3, damaged=True)), Exit.FAILED, "journal", BLOCKER),
        (replace(READY, fenced="a test"), Exit.FAILED, "fence", BLOCKER),
        (replace(READY, zone_obstacle="acme.example is signed (DNSSEC)"), Exit.DEGRADED, "dns zone", ERROR),
        (replace(READY, paused="new switch"), Exit.DEGRADED, "pause", WARNING),
        (seen(own=SILENT_OWN), Exit.FAILED, "asterisk", BLOCKER),
        (
            seen(own=OwnAsterisk(OWN.found, AsteriskStatus(state="answers", words="no lists"))),
            Exit.FAILED,
            "asterisk",
            BLOCKER,
        ),
        (seen(own=replace(OWN, unwritable=("cannot write to /run",))), Exit.FAILED, "disk", BLOCKER),
        (replace(READY, evidence=evidence(dns=ProbeAnswer.SILENT)), Exit.FAILED, "dns dallas", BLOCKER),
        (replace(READY, carriers={**CARRIERS, **SILENT}), Exit.FAILED, "acme", BLOCKER),
        (replace(READY, carriers={**CARRIERS, "own": SILENT["acme"]}), Exit.DEGRADED, "own", WARNING),
        (seen(peer=FAR_CLOCK, clock=clock("boston", FAR_CLOCK)), Exit.FAILED, "clock", BLOCKER),
        (seen(peer=NEAR_CLOCK, clock=clock("boston", NEAR_CLOCK)), Exit.DEGRADED, "clock", ERROR),
        (replace(READY, now=READY.now.replace(year=1970)), Exit.FAILED, "clock", BLOCKER),
        (replace(READY, sync_age_s=90000.0), Exit.FAILED, "sync", BLOCKER),
        (
            in_pair(READY, ('preset = "manual"', 'preset = "manual"\nallowed = ["192.0.2.11"]')),
            Exit.FAILED,
            "carrier acme",
            BLOCKER,
        ),
    ],
)
def test_what_stands_in_the_way_is_named_alone(facts: Facts, code: Exit, item: str, level: FindingLevel) -> None:
    results = run_checks(facts)
    assert names(facts) == {item: level}
    assert all(one.mend for one in ready_items(results) if one.level is not GOOD)
    assert ready_exit(results) is code


def test_a_standby_of_which_all_is_good_is_ready_and_says_what_was_seen() -> None:
    results = run_checks(READY)
    assert ready_exit(results) is Exit.DONE
    servers = {"dns boston", "dns dallas", "dns ns3"}
    named = {"journal", "fence", "asterisk", "files", "secrets", "acme", "own", "clock"}
    assert {one.name for one in ready_items(results)} == named | servers


def test_what_nobody_looked_at_is_not_fine() -> None:
    alone = replace(READY, evidence=evidence(DEAD))
    assert names(alone) == {"fence": ERROR, "clock": UNSEEN}
    assert ready_exit(run_checks(alone)) is Exit.DEGRADED
    unknown = replace(READY, compared=SecretsComparison(unknown="ssh hung"))
    assert names(unknown) == {"secrets": UNSEEN}
    assert ready_exit(run_checks(unknown)) is Exit.DEGRADED


def test_no_advice_of_ready_leads_back_to_status_nor_that_of_status_to_ready() -> None:
    """Neither knows more than the other when the peer or a name server is silent."""
    dead = evidence(DEAD)
    servers = tuple(replace(one, found=found("dns", ProbeAnswer.SILENT)) for one in dead.servers)
    told = ready_items(run_checks(replace(READY, evidence=replace(dead, servers=servers))))
    assert not [one for one in told if "failover status" in one.mend]
    said = next_step(overview(boston=None, dallas=BOTH), "")
    assert "boston's ssh hung" in said
    assert "failover ready" not in said


@pytest.mark.parametrize(("good", "expected"), [(True, {}), (False, {"domino": WARNING}), (None, {"domino": UNSEEN})])
def test_a_dead_domino_is_seen_beforehand(good: bool | None, expected: dict[str, FindingLevel]) -> None:
    site = ProofResult("domino", good, "domino-local does not answer", 0.1)
    assert names(replace(READY, domino=(site,))) == expected


SHARED = "trunks.acme.secret_file"
HOLDS = AsteriskStatus(
    state="answers",
    words="",
    listed=True,
    registrations=(PeerRegistration(trunk="acme", shared=True, state="Registered", registered=True),),
)
SERVING = replace(ASKED, status=BOSTON.model_copy(update={"asterisk": HOLDS}))


@pytest.mark.parametrize(
    ("secrets", "peer", "proven", "expected"),
    [
        (SecretsComparison(same=(SHARED,)), SERVING, {}, {}),  # the peer holds it, with the same password
        (SecretsComparison(same=(SHARED,)), ASKED, {}, {"secrets": UNSEEN}),  # the peer does not: who knows
        (SecretsComparison(same=(SHARED,)), ASKED, {"acme": 1.0}, {}),  # it registered from here itself
        (SecretsComparison(differ=(SHARED,)), SERVING, {"acme": 1.0}, {"secrets": BLOCKER}),  # acme is required
        (SecretsComparison(differ=("dns.key_file",)), SERVING, {"acme": 1.0}, {"secrets": ERROR}),
        (SecretsComparison(differ=("asterisk.ami.secret_file",)), SERVING, {"acme": 1.0}, {}),  # each may have its own
    ],
)
def test_a_secret_that_is_another_one_than_the_peers_is_found_before_a_number_is_off_the_air(
    secrets: SecretsComparison, peer: PeerEvidence, proven: dict[str, float], expected: dict[str, FindingLevel]
) -> None:
    assert names(replace(READY, evidence=evidence(peer), compared=secrets, proven=proven)) == expected


def test_a_primary_that_was_overtaken_is_told_so_first_with_the_one_command() -> None:
    servers = READY.evidence.servers
    said = replace(servers[2], said=RoleAnswer("ns3", True, PublicRole(8, "boston"), ""))
    serving = replace(seen(servers=(*servers[:2], said)), right_epoch=7, is_primary=True)
    first = ready_items(run_checks(serving))[0]
    assert (first.name, first.level, first.mend) == ("OVERTAKEN", BLOCKER, "failover demote")
    assert "ns3 says that boston was promoted with 8, later than its 7" in first.words
    assert "OVERTAKEN" not in names(replace(serving, is_primary=False))


def test_a_pair_that_published_nothing_is_told_what_a_reboot_would_do() -> None:
    servers = tuple(replace(one, said=replace(one.said, role=None)) for one in READY.evidence.servers)
    assert names(seen(servers=servers)) == {"dns record": WARNING}


def test_a_number_that_one_server_made_up_is_named_and_left_out() -> None:
    servers = READY.evidence.servers
    liar = replace(servers[2], said=RoleAnswer("ns3", True, PublicRole(999_999_999_999, "dallas"), ""))
    facts = seen(servers=(*servers[:2], liar))
    assert names(facts) == {"dns ns3": WARNING}
    assert "not believed" in next(one.words for one in ready_items(run_checks(facts)) if one.name == "dns ns3")


def test_a_name_server_that_tells_an_older_promotion_is_named() -> None:
    told = [PublicRole(4, "boston"), PublicRole(5, "dallas"), PublicRole(5, "dallas")]
    servers = tuple(
        replace(one, said=RoleAnswer(one.said.server, True, role, ""))
        for one, role in zip(READY.evidence.servers, told, strict=True)
    )
    assert names(seen(servers=servers)) == {"dns boston": WARNING}


def test_an_emergency_trunk_without_a_way_out_is_never_ready() -> None:
    trunk = READY.pair.trunks["own"].model_copy(update={"emergency": True})
    changed = READY.pair.model_copy(update={"trunks": {**READY.pair.trunks, "own": trunk}})
    silent = {**CARRIERS, "own": found("iax", ProbeAnswer.SILENT)}
    assert names(replace(READY, pair=changed, carriers=silent)) == {"own, emergency": BLOCKER}


def test_a_primary_is_asked_whether_it_is_whole() -> None:
    assert names(replace(READY, is_primary=True, right_epoch=8)) == {}
    alone = replace(READY, is_primary=True, right_epoch=8, evidence=evidence(DEAD))
    assert names(alone) == {"fence": ERROR, "clock": UNSEEN}
