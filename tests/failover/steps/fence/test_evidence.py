"""What the evidence about the peer amounts to, and what a machine that starts is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from failover.demotion.boot_guard import copy_dates_from, copy_is_old, decide, zone_is_old
from failover.journal.recovery import FenceProof as Proof
from failover.peer.messages import AsteriskStatus, PeerStatus
from failover.peer.remote import PeerEvidence
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.steps.fence.evidence import judge_peer
from failover.steps.fence.program import VerifyResult
from failover.steps.fence.refusal import refusal_in_short, refusal_text
from pair.public_role import PublicRole, RoleAnswer
from tests.failover.peer.test_messages import ACME, status
from tests.pair.example import example

SERVING = status(
    role="primary",
    right_held=True,
    is_primary=True,
    asterisk=AsteriskStatus(state="answers", words="", listed=True, registrations=(ACME,)),
)
FROZEN = status(role="primary", right_held=True, is_primary=True, asterisk=AsteriskStatus(state="silent", words=""))
STANDBY = status()


def asked(found: PeerStatus | None, answer: ProbeAnswer = ProbeAnswer.YES) -> PeerEvidence:
    return PeerEvidence(ProbeResult("ssh", "boston", "status", answer, "boston's ssh hung for 5 s", 5.0), found)


DEAD = asked(None, ProbeAnswer.SILENT)
REFUSES = asked(None, ProbeAnswer.REFUSED)


@pytest.mark.parametrize(
    ("seen", "cut_off", "word", "expected"),
    [
        (asked(STANDBY), None, "", Proof.PROVEN),
        (asked(SERVING), None, "", Proof.DISPROVEN),
        (asked(SERVING), None, "it burnt down", Proof.DISPROVEN),  # seen registered: no word counts
        (asked(SERVING), VerifyResult(True, "off"), "it burnt down", Proof.DISPROVEN),
        (asked(status(claim=8)), None, "it burnt down", Proof.DISPROVEN),  # it is after the same
        (asked(FROZEN), None, "", Proof.UNKNOWN),  # it may thaw
        (asked(FROZEN), None, "I pulled its cable", Proof.PROVEN),
        (DEAD, None, "", Proof.UNKNOWN),  # silence proves nothing
        (DEAD, None, "no power in the rack", Proof.PROVEN),
        (REFUSES, None, "its sshd is gone, its PBX too", Proof.PROVEN),  # alive contradicts nobody
        (DEAD, VerifyResult(True, "outlet 7 is off"), "", Proof.PROVEN),
        (DEAD, VerifyResult(False, "no answer from the switch"), "", Proof.UNKNOWN),
        (DEAD, VerifyResult(False, "no answer from the switch"), "somebody is there", Proof.PROVEN),
    ],
)
def test_what_is_proven_of_the_peer(
    seen: PeerEvidence, cut_off: VerifyResult | None, word: str, expected: Proof
) -> None:
    assert judge_peer(seen, cut_off, word).proof is expected


def says(server: str, machine: str | None, epoch: int = 7, *, answered: bool = True) -> RoleAnswer:
    return RoleAnswer(server, answered, PublicRole(epoch, machine) if machine else None, "")


AGREED = (says("dallas", "dallas"), says("ns3", "dallas"), says("boston", "dallas"))


@pytest.mark.parametrize(
    ("said", "peer", "primary", "words"),
    [
        (AGREED, STANDBY, True, "agree on promotion 7"),
        (AGREED, None, False, "peer does not answer"),
        (AGREED, SERVING, False, "boston is primary"),
        (AGREED, status(asterisk=SERVING.asterisk), False, "boston holds acme"),
        (AGREED, status(served=8, epoch=8), False, "later than the 7"),
        (AGREED, status(epoch=8), True, "agree on promotion 7"),  # its promotion 8 failed, and was taken back
        (AGREED, status(claim=8), False, "is being promoted at this moment"),
        (AGREED, status(role="unknown"), False, "does not say that it is standby"),
        ((says("dallas", "dallas"), says("ns3", "boston", 7)), STANDBY, False, "say that boston is primary"),
        ((says("ns3", "dallas"), says("boston", "boston", 8)), STANDBY, False, "do not agree"),
        ((says("dallas", "dallas"), says("ns3", None, answered=False)), STANDBY, False, "do not say"),  # only its own
        ((says("ns3", None),), STANDBY, False, "do not say"),
        ((), STANDBY, False, "do not say"),
    ],
)
def test_a_machine_that_starts_is_standby_unless_others_prove_otherwise(
    said: tuple[RoleAnswer, ...], peer: PeerStatus | None, primary: bool, words: str
) -> None:
    found = decide("dallas", said, peer)
    assert found.primary is primary
    assert words in found.why
    assert found.epoch == (7 if primary else 0)


def test_a_machine_that_gave_way_since_it_started_stays_standby() -> None:
    assert decide("dallas", AGREED, STANDBY, promised=6).primary
    found = decide("dallas", AGREED, STANDBY, promised=7)
    assert not found.primary
    assert "gave way to boston's promotion 7" in found.why


def test_what_a_person_took_off_duty_stays_off_duty_until_a_person_promotes() -> None:
    assert decide("dallas", AGREED, STANDBY, stood_down=6).primary
    found = decide("dallas", AGREED, STANDBY, stood_down=7)
    assert not found.primary
    assert "demoted it by hand" in found.why
    assert "failover promote" in found.why


def test_a_number_that_nobody_here_knows_of_makes_no_primary_and_is_given_to_nobody() -> None:
    """Two servers that one attacker holds agree on it: it would stand in the right, and in every journal after it."""
    lies = (says("ns3", "dallas", 999_999_999_999), says("boston", "dallas", 999_999_999_999))
    found = decide("dallas", lies, STANDBY, known=7)
    assert not found.primary
    assert found.epoch == 0
    assert "tell promotion 999999999999" in found.why
    far = (says("ns3", "dallas", 5_000),)
    assert not decide("dallas", far, STANDBY, known=7).primary
    assert decide("dallas", far, status(epoch=5_000, served=4_999), known=7).primary  # the peer knows of it


@pytest.mark.parametrize(
    ("said", "old"),
    [
        ((says("ns3", "boston", 8),), True),  # the peer itself need not be reached
        ((says("ns3", "boston", 7),), False),  # the promotion that its zone dates from, or an earlier one
        ((says("ns3", "dallas", 8),), False),  # its own
        ((says("ns3", None, answered=False),), False),
        ((says("ns3", "boston", 999_999_999_999),), False),  # made up
    ],
)
def test_a_machine_that_starts_distrusts_its_zone_where_another_server_has_a_newer_one(
    said: tuple[RoleAnswer, ...], old: bool
) -> None:
    assert zone_is_old("dallas", said, 7) is old


@pytest.mark.parametrize(
    ("epoch", "said", "peer", "old"),
    [
        (6, (says("ns3", "boston"),), None, True),  # demoted by hand after 6, and away when boston took over
        (7, (says("ns3", "boston"),), None, False),  # a standby that was away while nothing happened
        (7, (says("ns3", "boston"),), status(dns_role="primary", served=7), False),
        (6, (), status(dns_role="primary", served=7), True),
        (6, (), status(dns_role="secondary", served=7), False),  # nobody has a newer one to give
        (0, (says("ns3", "boston"),), None, True),  # it tells nothing, or cannot be read
        (6, (says("ns3", None, answered=False),), None, False),
    ],
)
def test_a_copy_of_an_earlier_promotion_is_distrusted_by_a_secondary_that_starts(
    epoch: int, said: tuple[RoleAnswer, ...], peer: PeerStatus | None, old: bool
) -> None:
    assert copy_is_old("dallas", epoch, said, peer) is old


@pytest.mark.parametrize(
    ("lines", "epoch"),
    [
        (('_failover.acme.example. 30 IN TXT "hotstandby=1 machine=boston epoch=7"',), 7),
        (('_FAILOVER.Acme.Example.\t30\tIN\tTXT\t"hotstandby=1 machine=boston epoch=7"',), 7),
        (('_failover.acme.example. 30 IN TXT "hotstandby=1 machine=atlantis epoch=7"',), 0),
        (('x._failover.acme.example. 30 IN TXT "hotstandby=1 machine=boston epoch=7"',), 0),
        (
            tuple(f'_failover.acme.example. 30 IN TXT "hotstandby=1 machine=boston epoch={n}"' for n in (7, 8)),
            0,
        ),
        ((), 0),
    ],
)
def test_a_copy_dates_from_the_promotion_that_it_tells(lines: tuple[str, ...], epoch: int) -> None:
    printed = "\n".join(("acme.example. 3600 IN SOA ns1.acme.example. h.acme.example. 1 1 1 1 1", *lines))
    assert copy_dates_from(printed, "acme.example", ("boston", "dallas")) == epoch


@pytest.mark.parametrize(
    ("peer", "kept"),
    [(status(dns_role="secondary"), True), (status(dns_role="primary"), False), (None, False)],
)
def test_it_stays_primary_in_dns_only_where_the_peer_says_that_it_is_not(peer: PeerStatus | None, kept: bool) -> None:
    assert decide("dallas", AGREED, peer).dns_primary is kept


@pytest.mark.parametrize(("served", "peer_served"), [(8, 7), (7, 8), (7, 7), (0, 0)])
def test_of_two_primaries_of_the_zone_that_start_at_once_exactly_one_gives_it_up(served: int, peer_served: int) -> None:
    boston = status(machine="boston", dns_role="primary", served=peer_served)
    dallas = status(machine="dallas", dns_role="primary", served=served)
    kept = {
        "dallas": decide("dallas", (), boston, served=served).dns_primary,
        "boston": decide("boston", (), dallas, served=peer_served, preferred=True).dns_primary,
    }
    assert [name for name, keeps in kept.items() if keeps] == (["dallas"] if served > peer_served else ["boston"])
    # One that serves keeps its zone whatever the other one's history is.
    serving = status(machine="boston", dns_role="primary", role="primary", is_primary=True, right_held=True)
    assert not decide("dallas", (), serving, served=9).dns_primary


def test_a_refusal_shows_evidence_the_moment_and_what_to_type() -> None:
    seen = [
        ProbeResult("ping", "boston", "", ProbeAnswer.YES, "boston answers ping", 0.1),
        ProbeResult("ssh", "boston", "", ProbeAnswer.SILENT, "boston's ssh hung for 5 s", 5.0),
    ]
    text = refusal_text(
        example(), "boston", seen, datetime(2026, 3, 14, 3, 12, 22, tzinfo=UTC), why="It did not demote itself."
    )
    assert text.splitlines()[0] == "REFUSED: boston answers ping; boston's ssh hung for 5 s."
    assert "It may hold acme: until 03:14:22" in text
    assert "failover switchover" in text
    assert '--peer-is-down "REASON"' in text
    assert "\n" not in refusal_in_short(example(), "boston", seen, datetime(2026, 3, 14, tzinfo=UTC), why="")
    assert "own" not in text.split("Type one of")[0].split("may hold")[1]  # per machine: nobody else's
