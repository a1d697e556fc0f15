from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.name_servers.agreement import (
    MOST_SERVERS,
    Agreement,
    NameServer,
    ZoneAnswer,
    agreement,
    servers_to_agree,
    summary,
    wanted_records,
)
from failover.name_servers.notify import NotifyOutcome, NotifyResult
from failover.name_servers.serial import NEAR, TAKEOVER_JUMP, believed, later, latest, plus, raised, runs_ahead
from failover.steps.dns.lag import STUCK_S, explain_lag
from pair.sections.dns import Dns

SERIALS = st.integers(0, 2**32 - 1)
DNS = Dns.model_validate(
    {
        "zone": "acme.example",
        "servers": {"boston": "192.0.2.11", "dallas": "192.0.2.12"},
        "more_addresses": {"dallas": ["2001:db8::12"]},
        "follow": {"pbx": {"boston": "192.0.2.11", "dallas": "2001:db8::12"}},
    }
)


@given(SERIALS, st.integers(1, 2**31 - 1))
def test_a_raised_serial_is_later_and_never_zero(serial: int, by: int) -> None:
    raised = plus(serial, by)
    assert raised != 0
    if (serial + by) % 2**32:
        assert later(raised, serial)
        assert not later(serial, raised)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 0, True),
        (0, 1, False),
        (5, 5, False),
        (0, 2**32 - 1, True),  # wrapped
        (2**31 - 1, 0, True),
        (2**31, 0, False),  # not comparable (RFC 1982 §3.2)
        (2026082301, 1790000000, True),  # a date beats a Unix time
    ],
)
def test_later_is_not_greater(one: int, other: int, expected: bool) -> None:
    assert later(one, other) is expected


@given(st.lists(SERIALS, min_size=1, max_size=5))
def test_the_latest_is_one_that_was_seen(seen: list[int]) -> None:
    assert latest(seen) in seen


@pytest.mark.parametrize("by", [0, -1, 2**31])
def test_a_serial_is_never_lowered(by: int) -> None:
    with pytest.raises(ValueError, match="can be raised"):
        plus(1, by)


MORNING = datetime(2026, 11, 26, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        (2026112501, 2026112511),  # somewhere it is yesterday still: numbers of that day are left
        (2026112401, 2026112499),
        (2026082301, 2026112499),
        (2026112498, 2026112499),
        (2026112599, 2026112600),
        (2026112601, 2026112611),  # today's: numbers of today are left
        (2026112690, 2026112691),
        (2026112701, 2026112711),  # ahead of the calendar already
        (2026212501, 2026212511),  # where a jump has spoilt the month, no further one
        (1795680000, int(MORNING.timestamp()) - 1),  # seconds since 1970
        (int(MORNING.timestamp()), int(MORNING.timestamp()) + 1),
        (20261120, 20261124),  # a day alone
        (20261126, 20261127),
        (26112300, 26112521),  # the hour
        (2611231545, 2611252159),  # the minute
        (30000000, 30000000 + TAKEOVER_JUMP),  # counts on from a number that is no date
        (4711, 4711 + TAKEOVER_JUMP),
        (2**32 - 1, TAKEOVER_JUMP - 1),
        (3000000000, 3000000000 + TAKEOVER_JUMP),
    ],
)
def test_the_jump_of_a_take_over_fits_what_the_serial_means(serial: int, expected: int) -> None:
    assert raised(serial, takes_over=True, now=MORNING) == expected
    assert raised(serial, takes_over=False, now=MORNING) == plus(serial, 1)


@given(SERIALS, st.integers(1735689600, 2366841600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_whatever_the_serial_the_raised_one_is_later_and_no_date_is_skipped(serial: int, now: datetime) -> None:
    found = raised(serial, takes_over=True, now=now)
    assert later(found, serial)
    over = int(f"{now - timedelta(days=2):%Y%m%d}99")
    if 1987 <= serial // 1_000_000 < 2100 and serial < over:
        assert found <= int(f"{now - timedelta(days=1):%Y%m%d}99")
    assert not runs_ahead(int(f"{now:%Y%m%d}99"), now)


def test_a_serial_ahead_of_the_calendar_is_said() -> None:
    assert "write 2026112812" in runs_ahead(2026112811, MORNING)
    assert "write 2026212502" in runs_ahead(2026212501, MORNING)
    assert runs_ahead(4711, MORNING) == ""


@pytest.mark.parametrize(
    ("told", "latest_believed", "left_out"),
    [
        ({"ns3": [110]}, 110, {}),
        ({"ns3": [90]}, 100, {}),
        ({"ns3": [100 + NEAR]}, 100 + NEAR, {}),
        ({"ns3": [100 + NEAR + 1]}, 100, {"ns3": 100 + NEAR + 1}),
        ({"ns3": [100 + 2**31 - 1]}, 100, {"ns3": 100 + 2**31 - 1}),
        ({"ns3": [100 + 2**31]}, 100, {"ns3": 100 + 2**31}),  # not comparable: neither later nor earlier
        ({"ns3": [2026112501, 2026112501]}, 100, {"ns3": 2026112501}),  # one server at two addresses is one witness
        ({"ns3": [2026112501], "ns4": [2026112502]}, 2026112502, {}),  # two are two
        ({"ns3": [2026112501], "ns4": [1000000000]}, 100, {"ns3": 2026112501, "ns4": 1000000000}),
    ],
)
def test_one_server_alone_does_not_decide_where_the_serial_goes(
    told: dict[str, list[int]], latest_believed: int, left_out: dict[str, int]
) -> None:
    serials, outliers = believed(100, told)
    assert serials[0] == 100
    assert latest(serials) == latest_believed
    assert outliers == left_out


WANT = wanted_records(DNS, "dallas", 7)
GOOD = ZoneAnswer(NameServer("ns3", "192.0.2.13"), records=WANT.records, serial=10)
OLD = {**WANT.records, ("pbx", "A"): frozenset({"192.0.2.11"}), ("pbx", "AAAA"): frozenset[str]()}


def test_a_name_changes_its_family_with_its_machine() -> None:
    assert WANT.records["pbx", "A"] == frozenset()
    assert WANT.records["pbx", "AAAA"] == {"2001:db8::12"}
    assert WANT.records["_failover", "TXT"] == {"hotstandby=1 machine=dallas epoch=7"}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (GOOD, Agreement.AGREES),
        (replace(GOOD, serial=11), Agreement.AGREES),
        (replace(GOOD, serial=9), Agreement.LAGS),
        (replace(GOOD, records=OLD), Agreement.LAGS),  # the very same serial, and another content
        (replace(GOOD, records={}), Agreement.LAGS),
        (replace(GOOD, failure="answers REFUSED"), Agreement.UNFIT),
        (replace(GOOD, failure="no answer", silent=True), Agreement.SILENT),
    ],
)
def test_contents_are_judged_and_not_serials_alone(seen: ZoneAnswer, verdict: Agreement) -> None:
    assert agreement(seen, WANT, 10) is verdict


def test_who_differs_is_named_with_what_it_said_made_printable() -> None:
    liar = replace(GOOD, server=NameServer("liar", "192.0.2.66"), records={("pbx", "AAAA"): frozenset({"\x1b[31m"})})
    words = summary([GOOD, liar], WANT, 10)
    assert words.startswith("1 of 2 servers agree: pbx 2001:db8::12, serial 10; liar (192.0.2.66): pbx AAAA \\x1b[31m")
    assert "_failover TXT nothing" in words


NS3 = NameServer("ns3", "192.0.2.13")
BEHIND = replace(GOOD, serial=9)
LIES = replace(GOOD, records=OLD)
REFUSES = {NS3: NotifyResult(NS3, NotifyOutcome.REFUSED, "REFUSED")}


@pytest.mark.parametrize(
    ("lagging", "dead", "not_taken", "told_for_s", "said", "not_said"),
    [
        # It asks the dead machine, most probably, and comes when that is over.
        (BEHIND, ["boston"], {}, 120.0, f"ns3 probably asks boston, which is dead.*{STUCK_S} s.*for 120 s", "see to"),
        # Nobody is dead: that is not why.
        (BEHIND, [], {}, 120.0, "told every 2 s for 120 s.*same command again", "dead"),
        # Nobody goes on telling it: nothing is promised.
        (BEHIND, ["boston"], {}, 0.0, "the same command again completes", "told every"),
        # It hears us and refuses: waiting does not help.
        (
            BEHIND,
            ["boston"],
            REFUSES,
            0.0,
            "REFUSED; .*this machine in its primaries.*see to them there",
            "asks boston",
        ),
        # Not behind, and says something else: another primary feeds it.
        (LIES, ["boston"], {}, 0.0, "^see to them there$", "dead"),
        (replace(BEHIND, failure="answers REFUSED"), ["boston"], {}, 0.0, "^see to them there$", "dead"),
    ],
)
def test_why_a_server_lags_is_said_as_far_as_it_is_known(
    lagging: ZoneAnswer,
    dead: list[str],
    not_taken: dict[NameServer, NotifyResult],
    told_for_s: float,
    said: str,
    not_said: str,
) -> None:
    words = explain_lag([lagging], 10, dead=dead, not_taken=not_taken, told_for_s=told_for_s)
    assert re.search(said, words), words
    assert not_said not in words


def test_who_waits_for_the_dead_and_who_does_not_are_told_apart() -> None:
    other = replace(LIES, server=NameServer("ns4", "192.0.2.14"))
    words = explain_lag([BEHIND, other], 10, dead=["boston"], not_taken={}, told_for_s=120.0)
    assert words.startswith("ns3 probably asks boston")
    assert words.endswith("see to the others there")


def test_every_address_of_every_server_is_asked_once() -> None:
    found = servers_to_agree(DNS, {"ns1.acme.example": ["192.0.2.11"], "ns9.other.example": ["198.51.100.9"]})
    assert [str(server) for server in found] == [
        "boston (192.0.2.11)",
        "dallas (192.0.2.12)",
        "dallas (2001:db8::12)",
        "ns9.other.example (198.51.100.9)",
    ]


def test_a_parent_that_names_thousands_of_servers_has_a_bounded_number_of_them_asked() -> None:
    crowd = {f"ns{n}.other.example": [f"10.{n // 250}.{n % 250}.{i}" for i in (1, 2, 3)] for n in range(500)}
    found = servers_to_agree(DNS, crowd)
    assert len(found) == MOST_SERVERS
    assert [server.name for server in found[:3]] == ["boston", "dallas", "dallas"]
    # One address of each before a second one of any: a server with many addresses hides no other.
    assert len({server.name for server in found[3:]}) == MOST_SERVERS - 3
    one = {"liar": [f"10.0.0.{n}" for n in range(200)], "ns9": ["198.51.100.9"]}
    assert "ns9" in {server.name for server in servers_to_agree(DNS, one)}
