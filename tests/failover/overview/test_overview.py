"""What `status` makes of both machines and the zone, and which thing it says to do next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from failover.name_servers.agreement import NameServer, ZoneAnswer
from failover.overview.next_step import next_step
from failover.overview.overview import (
    FollowedName,
    MachineView,
    Overview,
    agrees,
    followed,
    lagging,
    role,
    trunk_status,
)
from failover.overview.read_overview import longest_ttls
from failover.overview.status_view import _ttl
from failover.peer.messages import AsteriskStatus, PeerRegistration, PeerStatus
from failover.probe_result import ProbeAnswer
from pair.public_role import PublicRole, RoleAnswer
from pair.readiness import Readiness
from tests.failover.checks.examples import BOSTON, PAIR, found
from tests.failover.peer.test_messages import status

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
        MachineView(
            "boston",
            boston,
            found("ssh", ProbeAnswer.SILENT if boston is None else ProbeAnswer.YES, "boston's ssh hung"),
        ),
        MachineView("dallas", dallas, found("own", ProbeAnswer.YES)),
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
    boston, dallas = seen.machines
    assert str(trunk_status(seen, "acme", boston)) == "MISSING"
    assert str(trunk_status(seen, "acme", dallas)) == "-"
    assert str(trunk_status(seen, "better", boston)) == "answers"
    assert str(trunk_status(seen, "better", dallas)) == "?"  # nobody looked at its dialplan
    for gated, gate, told in (
        (("better",), "standby", "refuses (503)"),
        (("better",), "primary", "ANSWERS: gate open"),
        ((), "standby", "ANSWERS: no gate"),
    ):
        pbx = STANDBY.asterisk.model_copy(update={"gate": gate, "gated": gated})
        shown = overview(dallas=STANDBY.model_copy(update={"asterisk": pbx}))
        assert str(trunk_status(shown, "better", shown.machines[1])) == told
        assert next_step(shown, "").startswith("dallas answers the calls of better") is told.startswith("ANSWERS")
    assert str(trunk_status(overview(boston=None), "acme", overview(boston=None).machines[0])) == "?"


def test_a_machine_is_told_by_its_role_and_what_contradicts_it() -> None:
    def told(**changed: object) -> str:
        return role(MachineView("dallas", STANDBY.model_copy(update=changed), found("own", ProbeAnswer.YES)))

    assert told() == "standby, ready (3 min ago)"
    assert told(readiness=None) == "standby, readiness not looked at"
    assert told(readiness=NOT_READY) == "standby, NOT ready: acme (0 s ago)"
    assert told(readiness=LOOKED.model_copy(update={"at": 1.0})) == "standby, readiness not looked at"
    assert told(fenced="a test") == "FENCED"
    assert told(asterisk=HOLDS) == "standby, BUT REGISTERED"
    assert told(role="primary") == "primary, without the right"
    assert role(MachineView("dallas", None, found("ssh", ProbeAnswer.SILENT))) == "UNKNOWN"


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
