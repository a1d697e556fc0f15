"""Each check of `failover check`: a good set-up is silent, and each thing that is wrong is named, alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from failover.checks.check import FindingLevel
from failover.checks.registry import run_checks
from failover.checks.views import check_exit, to_mend
from failover.facts.facts import Facts, Guards, KeyAnswer, OpenRun, ProofParts
from failover.facts.gather import asks_for_the_fence
from failover.facts.own_bind import allows
from failover.facts.proof_parts import calls_proof
from failover.peer.messages import AsteriskStatus
from failover.peer.secrets import SecretsComparison
from failover.probes.dialplan_gate import DialplanGate, read_dialplan
from host.exits import Exit
from pair import parse
from tests.failover.checks.examples import (
    ASKED,
    ASTERISK,
    BOSTON,
    DEAD,
    FILES,
    MANAGER_USER,
    NAMED,
    NEVER_GIVES_UP,
    SET_UP,
    evidence,
    in_pair,
    zone,
)
from tests.pair.example import EXAMPLE


def grave(facts: Facts) -> list[tuple[str, FindingLevel]]:
    return [(one.check.name, one.level) for one in to_mend(run_checks(facts)) if one.level is not FindingLevel.UNSEEN]


def test_a_good_set_up_has_nothing_to_mend_and_says_what_it_cannot_see() -> None:
    assert grave(SET_UP) == []
    assert {one.check.name for one in to_mend(run_checks(SET_UP))} == {
        "addresses",
        "primaries",
        "live-state",
        "firewall",
    }
    assert check_exit(run_checks(SET_UP)) is Exit.DONE


def asterisk(**changed: Any) -> Facts:
    return replace(SET_UP, asterisk=replace(ASTERISK, **changed))


def named(**changed: Any) -> Facts:
    return replace(SET_UP, named=replace(NAMED, **changed))


def in_this(*changes: tuple[str, str]) -> Facts:
    return in_pair(SET_UP, *changes)


def peer(**changed: Any) -> Facts:
    """What the peer says of itself."""
    told = replace(ASKED, status=BOSTON.model_copy(update=changed))
    return replace(SET_UP, evidence=replace(SET_UP.evidence, peer=told))


def published_by_nobody() -> Facts:
    servers = tuple(replace(one, said=replace(one.said, role=None)) for one in SET_UP.evidence.servers)
    return replace(SET_UP, evidence=replace(SET_UP.evidence, servers=servers))


def alone() -> Facts:
    return replace(SET_UP, evidence=evidence(DEAD))


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (DialplanGate(role="standby", asked=frozenset({"better"})), []),
        (DialplanGate(role="primary", asked=None), []),
        (DialplanGate(role="standby"), [("gate", FindingLevel.ERROR)]),
        (DialplanGate(role="standby", asked=frozenset({"other"})), [("gate", FindingLevel.ERROR)]),
        (DialplanGate(asked=frozenset({"better"})), [("gate", FindingLevel.ERROR)]),  # asked for, and not there
        (DialplanGate(unseen="Asterisk is not running"), []),
    ],
)
def test_calls_by_address_are_refused_in_the_dialplan_that_runs(
    gate: DialplanGate, expected: list[tuple[str, FindingLevel]]
) -> None:
    assert grave(replace(SET_UP, gate=gate)) == expected


GATE = (
    "[ Context 'hotstandby-gate' created by 'pbx_config' ]\n  's' =>            1. GotoIf($[0${{{0}}} < 1]?open) [a:1]"
)
BEHIND = """
[ Context 'from-better' created by 'pbx_config' ]
  '_X.' =>          1. NoOp()                                     [extensions.conf:25]
                    2. {before}                                   [extensions.conf:26]
                    3. Gosub(hotstandby-gate,s,1(better))         [extensions.conf:27]
     [open]         4. Goto(inbound,${{EXTEN}},1)                 [extensions.conf:28]
"""


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (BEHIND.format(before="Set(A=1)"), DialplanGate(asked=frozenset({"better"}))),
        (BEHIND.format(before="Answer()"), DialplanGate()),
        (BEHIND.format(before="Set(A=1)").replace("better", "${TRUNK}"), DialplanGate(asked=None)),
        (GATE.format("HOTSTANDBY_TAKE_UNTIL"), DialplanGate(role="standby")),
        (GATE.format("HOTSTANDBY_REFUSE_UNTIL"), DialplanGate(role="primary")),
        (
            "  '_X.' => 1. Answer() [x.ael:1]\n  '_Y.' => 1. Gosub(hotstandby-gate,s,1(a)) [x.ael:2]",
            DialplanGate(asked=frozenset("a")),
        ),
        ("There is no existence of 'x' context", DialplanGate()),
    ],
)
def test_the_gate_is_read_from_what_asterisk_runs(shown: str, expected: DialplanGate) -> None:
    assert read_dialplan(shown.splitlines()) == expected


PROVING = '[proof]\ntrunk = "acme"\nnumber = "+16175550142"\n{more}[dns]\n'


def proving(more: str = "", **parts: Any) -> Facts:
    """A pair with [proof], of whose parts some are as given and the others whole."""
    facts = in_this(("[dns]\n", PROVING.format(more=more)))
    return replace(facts, proof=ProofParts(**{"context": True, "called": True, **parts}))


def test_a_proof_whose_parts_are_there_has_nothing_to_mend() -> None:
    assert grave(proving()) == []
    assert grave(proving('answer = "echo"\n', called=False)) == []  # nothing comes in
    assert check_exit(run_checks(proving(unseen="Asterisk is not running"))) is Exit.DONE


@pytest.mark.parametrize(
    ("line", "leads"),
    [
        ("  '_X.' =>           1. Gosub(hotstandby-proof,s,1)            [extensions.conf:12]", True),
        ("                     2. GosubIf($[1]?hotstandby-proof,s,1)     [extensions.conf:13]", True),
        ("  '_X.' =>           1. Gosub(hotstandby-gate,s,1(better))     [extensions.conf:14]", False),
        ("  'out' =>  2. Dial(SIP/1,4,U(hotstandby-proof-answered))      [role.conf:40]", False),
        ("[ Context 'hotstandby-proof' created by 'pbx_config' ]", False),
    ],
)
def test_a_line_of_the_dialplan_that_leads_to_the_proof(line: str, leads: bool) -> None:
    assert calls_proof([line]) is leads


DIFFERENT = SecretsComparison(differ=("trunks.acme.secret_file", "asterisk.ami.secret_file"))
WARN, ERR, BLOCK = FindingLevel.WARNING, FindingLevel.ERROR, FindingLevel.BLOCKER


@pytest.mark.parametrize(
    ("facts", "rule", "level", "words"),
    [
        # DNS
        (in_this(("ttl_s = 30", "ttl_s = 300")), "ttl", WARN, "300 s"),
        (replace(SET_UP, ttls={"pbx": 3600}), "ttl", WARN, "pbx.acme.example is served with a TTL of 3600 s"),
        (in_this(('key_file = "tsig.key"\n', "")), "tsig", ERR, "not signed"),
        (replace(SET_UP, tsig_algorithm="", tsig_problem="hmac-md5 is refused"), "tsig", ERR, "hmac-md5"),
        (replace(SET_UP, tsig_algorithm="hmac-md5.sig-alg.reg.int."), "tsig", WARN, "deprecated"),
        (named(block=zone("192.0.2.11", "192.0.2.12")), "primaries", WARN, "asks 192.0.2.11 before"),
        (named(block=zone("192.0.2.11", form="raw")), "primaries", WARN, "kept raw"),
        (named(block=None, views="acme.example stands in several views"), "primaries", ERR, "several views"),
        (replace(SET_UP, zone_obstacle="acme.example is signed (DNSSEC)"), "named", ERR, "signed"),
        (named(block=None), "primaries", ERR, "has no zone acme.example"),
        (named(running_type="", running_words="not loaded due to errors"), "named", ERR, "not loaded due to errors"),
        (named(running_type="primary"), "named", ERR, "has not read them"),
        (named(unreadable=("/etc/hotstandby/localized/x",)), "named", ERR, "runs as bind, which may not read"),
        (named(apparmor="enforce", apparmor_allows=False), "named", ERR, "AppArmor"),
        (published_by_nobody(), "record", WARN, "On the machine that serves, type: failover promote"),
        (replace(SET_UP, keys={"ns3": KeyAnswer.OTHER_SECRET}), "tsig", ERR, "ns3 knows a key by our key's name"),
        # Asterisk
        (in_this(("required = true", "required = true\nexpiry_s = 3600")), "expiry", WARN, "3600 s"),
        (
            replace(SET_UP, files=replace(FILES, blockers=("sip.conf does not include it.",))),
            "wiring",
            BLOCK,
            "does not include",
        ),
        (replace(SET_UP, files=replace(FILES, warnings=("HOTSTANDBY_ROLE is not read.",))), "wiring", WARN, "not read"),
        (asterisk(swapped_types=("auth", "registration")), "pjsip-auth", ERR, "type = auth"),
        (asterisk(registrations={"acme": {**NEVER_GIVES_UP, "max_retries": "10"}}), "gives-up", ERR, "max_retries"),
        (
            asterisk(registrations={"acme": {**NEVER_GIVES_UP, "fatal_retry_interval": "0"}}),
            "gives-up",
            ERR,
            "fatal_retry",
        ),
        (asterisk(registrations={"acme": {"type": "registration"}}), "gives-up", ERR, "auth_rejection_permanent = no"),
        (asterisk(sip_general={}), "gives-up", WARN, "403"),
        (asterisk(sip_general={"register_retry_403": "1", "registerattempts": "10"}), "gives-up", ERR, "= 10"),
        (asterisk(manager_user=None), "ami", ERR, "no user [hotstandby]"),
        (asterisk(manager_user={"read": "all", "write": "all"}), "ami", WARN, "100 (the default)"),
        (asterisk(manager_general={}), "ami", ERR, "enabled = no (the default)"),
        (asterisk(manager_general={"enabled": "off"}), "ami", ERR, "enabled = off"),
        (asterisk(manager_general={"enabled": "yes", "allowmultiplelogin": "no"}), "ami", ERR, "the one login"),
        (asterisk(manager_user={**MANAGER_USER, "allowmultiplelogin": "No"}), "ami", ERR, "the one login"),
        (
            asterisk(manager_user={**MANAGER_USER, "read": "call, command"}),
            "ami",
            ERR,
            "read = call, command lacks system",
        ),
        (asterisk(manager_user={**MANAGER_USER, "write": "command"}), "ami", ERR, "lacks reporting, system"),
        (asterisk(manager_refused="Login Already In Use"), "ami", ERR, "beside those that are running"),
        (proving(context=False, called=False), "proof", WARN, "no context hotstandby-proof"),
        (proving(called=False), "proof", WARN, "no context of the dialplan leads to"),
        (proving(missing=("app_record",)), "proof", WARN, "has not loaded app_record"),
        # The machine
        (replace(SET_UP, warning="pair.toml has 1 problem"), "pair.toml", ERR, "1 problem"),
        (peer(pair_digest="other"), "pair.toml", BLOCK, "differs"),
        (
            replace(SET_UP, writable=("every user may write x: chmod o-w x",)),
            "writable",
            ERR,
            "chmod o-w x",
        ),
        (replace(SET_UP, secrets=("The secret acme is empty.",)), "secret", BLOCK, "empty"),
        (
            in_this(("[sync]", '[sync]\nroot = "/etc"'), ('"domino/html"', '"hotstandby"')),
            "synced",
            ERR,
            "sync.paths.html",
        ),
        (replace(SET_UP, localized="/srv/shared/asterisk/sounds"), "synced", ERR, "sync.paths.sounds"),
        (alone(), "peer", ERR, "ssh hung"),
        (
            peer(asterisk=AsteriskStatus(state="down", words="boston's Asterisk is not running")),
            "peer",
            ERR,
            "and it is primary",
        ),
        (replace(SET_UP, compared=DIFFERENT), "secret", BLOCK, "trunks.acme.secret_file names another secret here"),
        (replace(SET_UP, sync_age_s=90000.0), "sync", BLOCK, "ended 25 h ago"),
        (replace(SET_UP, gate=DialplanGate(role="standby")), "gate", ERR, "Gosub(hotstandby-gate,s,1(better))"),
        (replace(SET_UP, guards=Guards(True, False, True, False)), "boot-guard", ERR, "not enabled"),
        (replace(SET_UP, guards=Guards(True, True, False, False)), "boot-guard", ERR, "does not ask for the fence"),
        (replace(SET_UP, guards=Guards(True, True, True, True)), "boot-guard", WARN, "safe_asterisk"),
        (replace(SET_UP, open_run=OpenRun("promote", 12)), "open-run", BLOCK, "promote 12"),
        (replace(SET_UP, open_run=OpenRun("promote", 12, damaged=True)), "open-run", BLOCK, "Type: failover history"),
        (replace(SET_UP, fenced="boston asked for it"), "fenced", BLOCK, "boston asked for it"),
        (replace(SET_UP, paused="new switch"), "paused", WARN, "new switch"),
    ],
)
def test_each_thing_that_is_wrong_is_named_alone(facts: Facts, rule: str, level: FindingLevel, words: str) -> None:
    assert grave(facts) == [(rule, level)]
    found = next(one.finding for one in run_checks(facts) if one.check.name == rule and one.level is level)
    assert words in f"{found.text} {found.mend}"
    assert found.mend
    assert check_exit(run_checks(facts)) is (Exit.DEGRADED if level is WARN else Exit.FAILED)


def test_what_cannot_be_seen_is_said_to_be_so() -> None:
    facts = replace(
        SET_UP,
        keys={"ns3": KeyAnswer.UNKNOWN_KEY, "boston": KeyAnswer.TAKEN},
        compared=SecretsComparison(unknown="it knows no such request"),
    )
    unseen = [one.finding.text for one in run_checks(facts) if one.level is FindingLevel.UNSEEN]
    for words in ("ns3 does not know our key", "has the same secrets is not known", "Queue members", "firewall"):
        assert [text for text in unseen if words in text], words
    assert check_exit(run_checks(facts)) is Exit.DONE


def test_a_pair_without_dns_is_told_what_a_reboot_does_and_nothing_else() -> None:
    text = EXAMPLE[: EXAMPLE.index("[dns]")] + EXAMPLE[EXAMPLE.index("[domino") :]
    bare = parse(text.encode(), Path("pair.toml"))
    peers = replace(ASKED, status=BOSTON.model_copy(update={"pair_digest": bare.digest}))
    facts = replace(SET_UP, pair=bare, named=None, evidence=replace(evidence(peers), servers=()), ttls={})
    assert grave(facts) == [("boot-without-dns", FindingLevel.WARNING)]


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("/etc/hotstandby/localized/** r,", True),
        ("  /etc/hotstandby/** rw,", True),
        ('"/etc/hotstandby/**" r,', True),
        ("/etc/hotstandby/* r,", False),  # one star does not cross directories
        ("/etc/hotstandby/localized/** w,", False),
        ("# /etc/hotstandby/** r,", False),
        ("/etc/bind/** r,", False),
        ("", False),
    ],
)
def test_a_profile_allows_what_its_rules_say(rule: str, allowed: bool) -> None:
    path = "/etc/hotstandby/localized/generations/4-dns-secondary-0123456789ab/named/zones.conf"
    assert allows(f"/etc/bind/** r,\n{rule}\n", path) is allowed


DROP_IN = (Path(__file__).resolve().parents[3] / "deploy/asterisk.service.d/hotstandby.conf").read_text()


@pytest.mark.parametrize(
    ("unit", "asks"),
    [
        (DROP_IN, True),
        (DROP_IN + "ExecCondition=/usr/bin/true\n", True),
        (DROP_IN + "ExecCondition=\n", False),  # a later drop-in takes all of them back
        ("[Unit]\nAssertPathExists=!/run/hotstandby/fenced\n", False),  # not asked of what Restart= starts
        ("# ExecCondition=/usr/bin/test ! -e /run/hotstandby/fenced\n", False),
        ("", False),
    ],
)
def test_the_fence_is_asked_for_where_a_restart_asks_as_well(unit: str, asks: bool) -> None:
    assert asks_for_the_fence(unit) is asks
