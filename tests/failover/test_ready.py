"""What `ready`, `compare` and `status` make of what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from failover.checks.compare import differences
from failover.checks.overview import (
    FollowedName,
    Overview,
    Side,
    agrees,
    followed,
    lagging,
    next_step,
    role,
    trunk_state,
)
from failover.checks.read_overview import longest_ttls
from failover.checks.ready import Good, Item, Prepared, exit_code, items
from failover.checks.shared_facts import (
    codecs,
    dialplan_digest,
    endpoints,
    expiry_of,
    forwards,
    mailboxes,
    modules,
    queues,
)
from failover.commands.status import _ttl
from failover.name_servers.agreement import NameServer, ZoneAnswer
from failover.peer.messages import AsteriskStatus, PeerRegistration, PeerStatus, Readiness
from failover.peer.remote import PeerEvidence
from failover.peer.secrets import SecretsComparison
from failover.plan.risks import Looked, risks
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import Evidence, OwnAsterisk, clock
from failover.probes.iax import frame, pong
from failover.probes.name_server import ServerAnswer
from failover.steps.proof.external_checks import ProofResult
from host.exits import Exit
from pair.public_role import PublicRole, RoleAnswer
from tests.failover.test_peer_words import status
from tests.pair.example import example

PAIR = example()


def found(probe: str, answer: ProbeAnswer, words: str = "") -> ProbeResult:
    return ProbeResult(probe, "boston", "", answer, words or f"{probe} {answer.value}", 0.01)


BOSTON = status(machine="boston", role="primary", right_held=True, is_primary=True, pair_digest=PAIR.digest)
ASKED = PeerEvidence(found("ssh", ProbeAnswer.YES), BOSTON, 0.1, 0.2)
DEAD = PeerEvidence(found("ssh", ProbeAnswer.SILENT, "boston's ssh hung for 5 s"), None)
PREPARED = Prepared("3-primary-0123456789ab", 60.0, True, (), (), "", 10**9, "", "", "", epoch=7)
TOLD = PublicRole(7, "boston")
OWN = OwnAsterisk(found("asterisk", ProbeAnswer.YES), AsteriskStatus(state="answers", words="it answers", listed=True))
CARRIERS = {"acme": found("sip", ProbeAnswer.YES), "own": found("iax", ProbeAnswer.YES)}


def evidence(peer: PeerEvidence = ASKED, own: OwnAsterisk = OWN, dns: ProbeAnswer = ProbeAnswer.YES) -> Evidence:
    servers = tuple(
        ServerAnswer(
            ProbeResult("dns", name, "", dns if name == "dallas" else ProbeAnswer.YES, name, 0.0),
            RoleAnswer(name, True, TOLD, ""),
            1,
        )
        for name in ("boston", "dallas", "ns3")
    )
    return Evidence(peer, (), servers, own, clock("boston", peer))


SILENT_OWN = OwnAsterisk(found("asterisk", ProbeAnswer.SILENT), AsteriskStatus(state="silent", words="it hangs"))


@pytest.mark.parametrize(
    ("prepared", "seen", "carriers", "code", "name"),
    [
        (PREPARED, evidence(), CARRIERS, Exit.DONE, ""),
        (replace(PREPARED, generation=""), evidence(), CARRIERS, Exit.DEGRADED, "files"),
        (replace(PREPARED, of_this_pair=False), evidence(), CARRIERS, Exit.DEGRADED, "files"),
        (replace(PREPARED, stops=("sip.conf does not include it",)), evidence(), CARRIERS, Exit.FAILED, "files"),
        (replace(PREPARED, secrets=("acme is empty",)), evidence(), CARRIERS, Exit.FAILED, "secrets"),
        (replace(PREPARED, warning="pair.toml has 1 problem"), evidence(), CARRIERS, Exit.DEGRADED, "pair.toml"),
        (replace(PREPARED, free_bytes=1000), evidence(), CARRIERS, Exit.FAILED, "journal"),
        (replace(PREPARED, open_run="promote 3"), evidence(), CARRIERS, Exit.FAILED, "journal"),
        (replace(PREPARED, fenced="a test"), evidence(), CARRIERS, Exit.FAILED, "fence"),
        (replace(PREPARED, zone="acme.example is signed (DNSSEC)"), evidence(), CARRIERS, Exit.DEGRADED, "dns zone"),
        (replace(PREPARED, paused="new switch"), evidence(), CARRIERS, Exit.DEGRADED, "pause"),
        (PREPARED, evidence(own=SILENT_OWN), CARRIERS, Exit.FAILED, "asterisk"),
        (PREPARED, evidence(dns=ProbeAnswer.SILENT), CARRIERS, Exit.FAILED, "dns dallas"),
        (PREPARED, evidence(), {**CARRIERS, "acme": found("sip", ProbeAnswer.SILENT)}, Exit.FAILED, "acme"),  # required
        (PREPARED, evidence(), {**CARRIERS, "own": found("iax", ProbeAnswer.SILENT)}, Exit.DEGRADED, "own"),
    ],
)
def test_what_stands_in_the_way_is_named_alone(
    prepared: Prepared, seen: Evidence, carriers: dict[str, ProbeResult], code: Exit, name: str
) -> None:
    told = items(PAIR, "dallas", prepared, seen, carriers, primary=False)
    assert [one.name for one in told if one.good is not Good.YES] == ([name] if name else [])
    assert all(one.mend for one in told if one.good is not Good.YES)
    assert exit_code(told) is code


def names(told: tuple[Item, ...]) -> dict[str, Good]:
    return {one.name: one.good for one in told if one.good is not Good.YES}


def test_what_nobody_looked_at_is_not_fine() -> None:
    told = items(PAIR, "dallas", PREPARED, evidence(DEAD), CARRIERS, primary=False)
    assert names(told) == {"fence": Good.LATER, "clock": Good.UNSEEN}
    assert exit_code(told) is Exit.DEGRADED
    told = items(
        PAIR, "dallas", PREPARED, evidence(), CARRIERS, primary=False, secrets=SecretsComparison(unknown="ssh hung")
    )
    assert names(told)["secrets"] is Good.UNSEEN
    assert exit_code(told) is Exit.DEGRADED


def test_no_advice_of_ready_leads_back_to_status_nor_that_of_status_to_ready() -> None:
    """Neither knows more than the other when the peer or a name server is silent."""
    seen = evidence(DEAD)
    servers = tuple(replace(one, found=found("dns", ProbeAnswer.SILENT)) for one in seen.servers)
    told = items(PAIR, "dallas", PREPARED, replace(seen, servers=servers), CARRIERS, primary=False)
    assert not [one for one in told if "failover status" in one.mend]
    said = next_step(overview(boston=None, dallas=BOTH), "")
    assert "boston's ssh hung" in said
    assert "failover ready" not in said


@pytest.mark.parametrize(
    ("good", "expected"), [(True, {}), (False, {"domino": Good.LATER}), (None, {"domino": Good.UNSEEN})]
)
def test_a_dead_domino_is_seen_beforehand(good: bool | None, expected: dict[str, Good]) -> None:
    site = ProofResult("domino", good, "domino-local does not answer", 0.1)
    assert names(items(PAIR, "dallas", PREPARED, evidence(), CARRIERS, primary=False, domino=[site])) == expected


SHARED = "trunks.acme.secret_file"
SERVING = PeerEvidence(
    found("ssh", ProbeAnswer.YES),
    BOSTON.model_copy(
        update={
            "asterisk": AsteriskStatus(
                state="answers",
                words="",
                listed=True,
                registrations=(PeerRegistration(trunk="acme", shared=True, state="Registered", registered=True),),
            )
        }
    ),
    0.1,
    0.2,
)


@pytest.mark.parametrize(
    ("secrets", "seen", "proven", "expected"),
    [
        (SecretsComparison(same=(SHARED,)), evidence(SERVING), {}, {}),  # the peer holds it, with the same password
        (SecretsComparison(same=(SHARED,)), evidence(), {}, {"secrets": Good.UNSEEN}),  # the peer does not: who knows
        (SecretsComparison(same=(SHARED,)), evidence(), {"acme": 1.0}, {}),  # it registered from here itself
        (
            SecretsComparison(differ=(SHARED,)),
            evidence(SERVING),
            {"acme": 1.0},
            {"secrets": Good.NO},
        ),  # acme is required
        (SecretsComparison(differ=("dns.key_file",)), evidence(SERVING), {"acme": 1.0}, {"secrets": Good.LATER}),
        (
            SecretsComparison(differ=("asterisk.ami.secret_file",)),
            evidence(SERVING),
            {"acme": 1.0},
            {},
        ),  # each may have its own
    ],
)
def test_a_secret_that_is_another_one_than_the_peers_is_found_before_a_number_is_off_the_air(
    secrets: SecretsComparison, seen: Evidence, proven: dict[str, float], expected: dict[str, Good]
) -> None:
    told = items(PAIR, "dallas", replace(PREPARED, proven=proven), seen, CARRIERS, primary=False, secrets=secrets)
    assert names(told) == expected


def test_a_primary_that_was_overtaken_is_told_so_first_with_the_one_command() -> None:
    seen = evidence()
    said = replace(seen.servers[2], said=RoleAnswer("ns3", True, PublicRole(8, "boston"), ""))
    seen = replace(seen, servers=(*seen.servers[:2], said))
    serving = replace(PREPARED, right_epoch=7)
    first = items(PAIR, "dallas", serving, seen, CARRIERS, primary=True)[0]
    assert (first.name, first.good, first.mend) == ("OVERTAKEN", Good.NO, "failover demote")
    assert "ns3 says that boston was promoted with 8, later than its 7" in first.words
    assert "OVERTAKEN" not in names(items(PAIR, "dallas", serving, seen, CARRIERS, primary=False))


def test_a_pair_that_published_nothing_is_told_what_a_reboot_would_do() -> None:
    seen = evidence()
    servers = tuple(replace(one, said=replace(one.said, role=None)) for one in seen.servers)
    told = items(PAIR, "dallas", PREPARED, replace(seen, servers=servers), CARRIERS, primary=False)
    assert names(told) == {"dns record": Good.LATER}


def test_a_number_that_one_server_made_up_is_named_and_left_out() -> None:
    seen = evidence()
    liar = replace(seen.servers[2], said=RoleAnswer("ns3", True, PublicRole(999_999_999_999, "dallas"), ""))
    told = items(PAIR, "dallas", PREPARED, replace(seen, servers=(*seen.servers[:2], liar)), CARRIERS, primary=False)
    assert names(told) == {"dns ns3": Good.LATER}
    assert "not believed" in next(one.words for one in told if one.name == "dns ns3")


def test_a_name_server_that_tells_an_older_promotion_is_named() -> None:
    seen = evidence()
    told = [(PublicRole(4, "boston"), 0), (PublicRole(5, "dallas"), 1), (PublicRole(5, "dallas"), 2)]
    servers = tuple(
        replace(seen.servers[at], said=RoleAnswer(seen.servers[at].said.server, True, one, "")) for one, at in told
    )
    found = items(PAIR, "dallas", PREPARED, replace(seen, servers=servers), CARRIERS, primary=False)
    assert [one.name for one in found if one.good is Good.LATER] == ["dns boston"]


def test_an_emergency_trunk_without_a_way_out_is_never_ready() -> None:
    trunk = PAIR.trunks["own"].model_copy(update={"emergency": True})
    changed = PAIR.model_copy(update={"trunks": {**PAIR.trunks, "own": trunk}})
    carriers = {**CARRIERS, "own": found("iax", ProbeAnswer.SILENT)}
    told = items(changed, "dallas", PREPARED, evidence(), carriers, primary=True)
    assert [one.name for one in told if one.good is Good.NO] == ["own, emergency"]


def test_clocks_that_surely_differ_are_told() -> None:
    assert clock("boston", PeerEvidence(ASKED.found, BOSTON, 3600.0, 0.1)).answer is ProbeAnswer.ODD
    assert (
        clock("boston", PeerEvidence(ASKED.found, BOSTON, 2.5, 1.0)).answer is ProbeAnswer.YES
    )  # the network may account for it
    assert clock("boston", DEAD).answer is ProbeAnswer.UNKNOWN


SAME = {"pair.toml": "1", "module: chan_sip.so": "Running", "certificate: a.pem": "expires Jun  1 00:00:00 2030 GMT"}


@pytest.mark.parametrize(
    ("there", "clock_s", "names"),
    [
        (SAME, 0.0, []),
        ({**SAME, "pair.toml": "2"}, 0.0, ["pair.toml"]),
        ({**SAME, "module: chan_sip.so": "Not Running"}, 0.0, ["module: chan_sip.so"]),
        ({**SAME, "module: extra.so": "Running"}, 0.0, ["modules on one machine alone"]),
        ({"module": "unknown: it is down", **{k: v for k, v in SAME.items() if "module" not in k}}, 0.0, ["module"]),
        (SAME, 3600.0, ["clock"]),
        ({**SAME, "certificate: a.pem": "expires Jun  1 00:00:00 2020 GMT"}, 0.0, ["certificate: a.pem"] * 2),
    ],
)
def test_what_differs_is_told_once(there: dict[str, str], clock_s: float, names: list[str]) -> None:
    told = [one.name for one in differences(SAME, there, clock_s=clock_s, now=1_800_000_000.0)]
    assert [name.removesuffix(" ends soon") for name in told] == names


def test_what_is_not_known_is_no_difference_that_matters() -> None:
    told = differences({"time zone": "UTC"}, {"time zone": "unknown: no answer"}, clock_s=0.0, now=0.0)
    assert [(one.matters, one.unknown) for one in told] == [(False, True)]


def test_asterisk_lists_are_read_as_it_prints_them() -> None:
    listed = (
        "Module                         Description                              Use Count  Status      Support Level\n"
        "chan_sip.so                    Session Initiation Protocol (SIP)        0          Running          extended\n"
        "res_x.so                       Not Running in this world                0          Not Running          core\n"
        "2 modules loaded\n"
    )
    assert modules(listed) == {"chan_sip.so": "Running", "res_x.so": "Not Running"}
    assert codecs("      ID TYPE   NAME         FORMAT\n       1 audio codec2       codec2  (Codec 2)\n") == {
        "codec2": "audio"
    }
    own = "[ Context 'a' created by 'pbx_config' ]\n  's' =>  1. Answer()  [{where}]\n"
    role = "[ Context 'hotstandby-gate' created by 'pbx_config' ]\n  's' =>  1. GotoIf(1?2)  [role.conf:7]\n"
    first = dialplan_digest(role + own.format(where="extensions.conf:3") + "-= 2 extensions in 2 contexts. =-")
    assert first == dialplan_digest(own.format(where="extensions.conf:9") + "-= 1 extension in 1 context. =-")
    assert first != dialplan_digest(own.replace("Answer", "Hangup").format(where="extensions.conf:3"))


def test_what_lives_in_the_running_asterisk_is_read_as_it_prints_it() -> None:
    pjsip = (
        " Endpoint:  <Endpoint/CID.....................................>  <State.....>  <Channels.>\n"
        "    I/OAuth:  <AuthId/UserName...........................................................>\n"
        " Endpoint:  201/201                                              Not in use    0 of inf\n"
    )
    sip = (
        "Name/username             Host                 Dyn Forcerport Comedia    ACL Port     Status\n"
        "300/300                   10.0.0.9             D  Auto (No)  No             5060     OK (3 ms)\n"
        "1 sip peers [Monitored: 1 online, 0 offline Unmonitored: 0 online, 0 offline]\n"
    )
    assert endpoints(pjsip, sip) == {"201": "pjsip", "300": "sip"}
    assert endpoints("No such command", "No such command") == {}
    said = (
        "sales has 0 calls (max unlimited) in 'ringall' strategy (0s holdtime, 0s talktime), W:0, C:0\n"
        "   Members: \n"
        "      SIP/201 (ringinuse enabled) (dynamic) (Not in use) has taken no calls yet\n"
        "      Ann (PJSIP/202) with penalty 1 (ringinuse enabled) has taken no calls yet\n"
        "   No Callers\n\n"
        "night has 0 calls (max unlimited) in 'linear' strategy (0s holdtime, 0s talktime), W:0\n"
        "   No Members\n   No Callers\n"
    )
    assert queues(said) == ({"sales": "ringall", "night": "linear"}, {"sales SIP/201": "there", "sales Ann": "there"})
    boxes = "Context    Mbox  User  Zone  NewMsg\ndefault    1234  Ann     0\n1 voicemail users\n"
    assert mailboxes(boxes) == {"1234@default": "there"}
    assert forwards("/CFIM/201   : 5552222   \n/DND/202 : YES\n/registrar/x : y\n2 results found.\n") == {
        "CFIM/201": "5552222",
        "DND/202": "YES",
    }


def test_a_certificates_end_is_read_as_openssl_prints_it() -> None:
    assert expiry_of("expires Jun  1 00:00:00 2030 GMT") == 1906502400.0
    assert expiry_of("expires soon") is None
    assert expiry_of("expires Nov 26 00:00:60 2026 GMT") == 1795651259.0


def test_only_the_pong_to_our_poke_counts() -> None:
    theirs = frame(77, 0x1234, 0, 1, 3)
    assert pong(theirs, 0x1234) == 77
    assert pong(theirs, 0x1235) is None
    assert pong(frame(77, 0x1234, 0, 1, 4), 0x1234) is None
    assert pong(theirs[:11], 0x1234) is None
    assert pong(b"\0" * 12, 0) is None


HOLDS = AsteriskStatus(
    state="answers",
    words="",
    listed=True,
    registrations=(
        PeerRegistration(trunk="acme", shared=True, state="Registered", registered=True, expiry_s=60),
        PeerRegistration(trunk="own", shared=False, state="Registered", registered=True, expiry_s=60),
    ),
)
PRIMARY = BOSTON.model_copy(update={"asterisk": HOLDS})
LOOKED = Readiness(at=1_800_000_000.0 - 180, exit=0)
STANDBY = status(machine="dallas", pair_digest=PAIR.digest, readiness=LOOKED)
RIGHT = FollowedName("pbx", (("192.0.2.11", ("boston", "dallas", "ns3")),), ())


def overview(
    boston: PeerStatus | None = PRIMARY,
    dallas: PeerStatus | None = STANDBY,
    dns: FollowedName = RIGHT,
    said: tuple[RoleAnswer, ...] = (),
) -> Overview:
    sides = (
        Side(
            "boston",
            boston,
            found("ssh", ProbeAnswer.SILENT if boston is None else ProbeAnswer.YES, "boston's ssh hung"),
        ),
        Side("dallas", dallas, found("own", ProbeAnswer.YES)),
    )
    return Overview(PAIR, "dallas", sides, (dns,), 0.0, said)


OLD = PRIMARY.model_copy(update={"right_epoch": 7})
LATER = RoleAnswer("ns3", True, PublicRole(8, "dallas"), "")
LIAR = RoleAnswer("ns3", True, PublicRole(10**11, "dallas"), "")
NOT_READY = Readiness(at=1_800_000_000.0, exit=1, names=("acme",))
LOST = HOLDS.model_copy(update={"registrations": (HOLDS.registrations[1],)})
REJECTED = HOLDS.model_copy(
    update={
        "registrations": (
            HOLDS.registrations[0].model_copy(update={"registered": False, "state": "Rejected"}),
            HOLDS.registrations[1],
        )
    }
)
KILLED = STANDBY.model_copy(update={"machine": "boston", "asterisk": AsteriskStatus(state="down", words="")})
BOTH = STANDBY.model_copy(update={"is_primary": True, "role": "primary", "right_held": True, "asterisk": HOLDS})
NEWER = BOTH.model_copy(update={"right_epoch": 8})


@pytest.mark.parametrize(
    ("seen", "paused", "words"),
    [
        (overview(), "", "nothing to do"),
        (overview(), "new switch", "failover unpause"),
        (overview(dallas=BOTH), "", "BOTH machines serve; on dallas, type: failover demote"),
        (overview(dallas=BOTH.model_copy(update={"epoch": 8})), "", "on boston, type: failover demote"),
        (overview(boston=None), "", "nobody is known to serve. Here, type: failover plan promote"),
        (overview(boston=None, dallas=BOTH), "", "boston's ssh hung; see to boston: its power, its network"),
        (
            overview(boston=OLD, dallas=NEWER),
            "",
            "On boston, type: failover demote",
        ),
        (overview(boston=OLD, said=(LATER,)), "", "boston was overtaken: name server ns3 says"),
        (overview(boston=OLD, dallas=None, said=(LATER,)), "", "On boston, type: failover demote"),
        (overview(boston=OLD, said=(replace(LATER, role=PublicRole(7, "boston")),)), "", "nothing to do"),
        (overview(boston=OLD, said=(LIAR,)), "", "nothing to do"),
        (
            overview(dallas=STANDBY.model_copy(update={"readiness": None})),
            "",
            "whether dallas could take over; there, type: failover ready",
        ),
        (overview(dallas=STANDBY.model_copy(update={"warning": "It is not TOML."})), "", "render-localized --check"),
        (overview(dallas=STANDBY.model_copy(update={"readiness": NOT_READY})), "", "dallas is NOT ready: acme;"),
        (overview(boston=STANDBY.model_copy(update={"machine": "boston"})), "", "nobody serves; on dallas"),
        (overview(dallas=STANDBY.model_copy(update={"asterisk": HOLDS})), "", "BOTH machines serve"),
        (overview(dallas=STANDBY.model_copy(update={"open_run": "promote 3"})), "", "failover promote --abort"),
        (overview(dallas=STANDBY.model_copy(update={"open_run": "promote 3, damaged"})), "", "there: failover history"),
        (overview(dallas=STANDBY.model_copy(update={"pair_digest": "x"})), "", "failover compare"),
        (overview(boston=PRIMARY.model_copy(update={"asterisk": LOST})), "", "acme not registered on boston"),
        (overview(boston=PRIMARY.model_copy(update={"asterisk": REJECTED})), "", "acme not registered on boston"),
        (overview(dns=FollowedName("pbx", (("192.0.2.12", ("ns3",)),), ())), "", "pbx not right in DNS"),
        (overview(dns=FollowedName("pbx", (), ("ns3",))), "", "pbx not right in DNS"),
        (
            overview(dallas=STANDBY.model_copy(update={"asterisk": AsteriskStatus(state="down", words="")})),
            "",
            "Asterisk on dallas is not running, as after a demotion that had to kill it; there, type: systemctl start",
        ),
        (
            overview(dallas=STANDBY.model_copy(update={"asterisk": AsteriskStatus(state="silent", words="")})),
            "",
            "on dallas does not answer; there, type: systemctl status asterisk",
        ),
        (overview(boston=KILLED, dallas=STANDBY), "", "nobody serves; on dallas, type: failover promote"),
        (
            overview(
                boston=KILLED, dallas=STANDBY.model_copy(update={"asterisk": AsteriskStatus(state="down", words="")})
            ),
            "",
            "nobody serves; on boston, type: systemctl start asterisk; then: failover promote",
        ),
    ],
)
def test_the_last_line_says_what_is_most_urgent(seen: Overview, paused: str, words: str) -> None:
    assert words in next_step(seen, paused)


def test_what_waits_is_more_urgent_than_a_look_that_nobody_took() -> None:
    unseen = STANDBY.model_copy(update={"readiness": None})
    assert next_step(overview(dallas=unseen), "", ("carrier-acme",)).startswith("see to what waits: carrier-acme;")
    assert "failover ready" in next_step(overview(dallas=unseen), "")


def test_a_trunk_is_told_as_it_concerns_the_machine() -> None:
    seen = overview(boston=PRIMARY.model_copy(update={"asterisk": LOST}))
    boston, dallas = seen.sides
    assert trunk_state(seen, "acme", boston) == "MISSING"
    assert trunk_state(seen, "acme", dallas) == "-"
    assert trunk_state(seen, "better", boston) == "answers"
    assert trunk_state(seen, "better", dallas) == "?"  # nobody looked at its dialplan
    for gated, gate, told in (
        (("better",), "standby", "refuses (503)"),
        (("better",), "primary", "ANSWERS: gate open"),
        ((), "standby", "ANSWERS: no gate"),
    ):
        pbx = STANDBY.asterisk.model_copy(update={"gate": gate, "gated": gated})
        shown = overview(dallas=STANDBY.model_copy(update={"asterisk": pbx}))
        assert trunk_state(shown, "better", shown.sides[1]) == told
        assert next_step(shown, "").startswith("dallas answers the calls of better") is told.startswith("ANSWERS")
    assert trunk_state(overview(boston=None), "acme", overview(boston=None).sides[0]) == "?"


def test_a_machine_is_told_by_its_role_and_what_contradicts_it() -> None:
    def told(**changed: object) -> str:
        return role(Side("dallas", STANDBY.model_copy(update=changed), found("own", ProbeAnswer.YES)))

    assert told() == "standby, ready (3 min ago)"
    assert told(readiness=None) == "standby, readiness not looked at"
    assert told(readiness=NOT_READY) == "standby, NOT ready: acme (0 s ago)"
    assert told(readiness=LOOKED.model_copy(update={"at": 1.0})) == "standby, readiness not looked at"
    assert told(fenced="a test") == "FENCED"
    assert told(asterisk=HOLDS) == "standby, BUT REGISTERED"
    assert told(role="primary") == "primary, without the right"
    assert role(Side("dallas", None, found("ssh", ProbeAnswer.SILENT))) == "UNKNOWN"


@pytest.mark.parametrize(
    ("served", "said"),
    [(30, "ttl 30 s"), (3600, "ttl 3600 s, 30 s in pair.toml"), (None, "ttl ?")],
)
def test_the_ttl_that_is_served_is_told_and_not_what_pair_toml_wants(served: int | None, said: str) -> None:
    assert _ttl(overview(), replace(RIGHT, ttl_s=served)) == said


def test_the_longest_ttl_of_any_server_counts() -> None:
    one = ZoneAnswer(NameServer("ns1", "192.0.2.1"), ttls={("pbx", "A"): 30, ("www", "A"): 60})
    other = ZoneAnswer(NameServer("ns2", "192.0.2.2"), ttls={("pbx", "A"): 3600})
    assert longest_ttls([one, other]) == {"pbx": 3600, "www": 60}


def test_servers_are_grouped_by_what_they_tell() -> None:
    told = followed(
        ["pbx"], [("a", {"pbx": "1"}), ("b", {"pbx": "2"}), ("c", {"pbx": "2"}), ("d", None), ("e", {})], {"pbx": 3600}
    )
    assert told == (FollowedName("pbx", (("2", ("b", "c")), ("1", ("a",)), ("", ("e",))), ("d",), 3600),)
    assert not agrees(overview(), told[0])
    silent = FollowedName("pbx", (("192.0.2.11", ("dallas",)),), ("boston", "ns3"))
    assert lagging(overview(boston=None), silent) == ("ns3",)  # of a dead machine nothing is waited for
    assert lagging(overview(), silent) == ("boston", "ns3")
    assert agrees(overview(), RIGHT)


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
    looked = Looked(
        pair=PAIR,
        machine="dallas",
        command="promote",
        evidence=seen,
        word=word,
        generation_problems=(),
        open_run=None,
        wall_year=2026,
    )
    told = [
        one
        for one in risks(looked, datetime(2026, 1, 1, tzinfo=UTC))
        if one.name in {"asterisk-answers", "peer-may-live"}
    ]
    assert [one.name for one in told] == risk
    assert [one.can_be_forced for one in told] == [True for name in risk if name == "asterisk-answers"] + [
        False for name in risk if name == "peer-may-live"
    ]
