"""Whole drills between two machines without root: there and back, and what is told where the way back fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host.exits import Exit
from tests.fakes.two_machines import ACCOUNTS, Ssh, TwoMachines


def held(machines: TwoMachines, *arguments: str) -> tuple[int, dict[str, Any]]:
    hosts = ("--hosts-file", str(machines.dallas.hosts))
    done = machines.type(machines.dallas, "drill", "--json", *hosts, *arguments)
    assert done.out, done.err
    return done.exit, json.loads(done.out)


@pytest.fixture
def serving(machines: TwoMachines) -> TwoMachines:
    """boston is primary, dallas is standby."""
    done = machines.type(machines.boston, "promote")
    assert done.exit in (Exit.DONE, Exit.DEGRADED), done.said
    assert machines.primaries() == {"boston"}
    return machines


def test_there_and_back_with_a_report_of_every_step(serving: TwoMachines) -> None:
    code, report = held(serving)
    assert code in (Exit.DONE, Exit.DEGRADED), report
    assert serving.primaries() == {"boston"}
    assert serving.holders() == {"boston"}
    assert [leg["machine"] for leg in report["legs"]] == ["dallas", "boston"]
    assert all([one["step"] for one in leg["steps"]][:2] == ["fence", "localize"] for leg in report["legs"])
    assert (report["home"], report["away"], report["serves"], report["alarm"]) == ("boston", "dallas", "boston", "")
    assert "boston to dallas and back" in report["sentence"]
    files = sorted(path.name for path in (serving.dallas.places.state / "drills").iterdir())
    assert files == ["000001.json", "000001.md"]
    listed = serving.type(serving.dallas, "drill", "--list")
    assert "1  " in listed.out
    assert "boston to dallas and back" in listed.out
    assert [one["number"] for one in json.loads(serving.type(serving.dallas, "drill", "--list", "--json").out)] == [1]


def test_a_second_drill_is_compared_with_the_first_and_shown(serving: TwoMachines) -> None:
    held(serving)
    done = serving.type(serving.dallas, "drill", "--yes", "--hosts-file", str(serving.dallas.hosts))
    assert done.exit in (Exit.DONE, Exit.DEGRADED), done.said
    for words in ("to dallas", "to boston", "usually", "drill 2: ", "report   ", "next     "):
        assert words in done.out


def test_no_drill_was_held_yet(machines: TwoMachines) -> None:
    assert "No drill was held from this machine yet" in machines.type(machines.dallas, "drill", "--list").out


def test_a_drill_without_exactly_one_primary_is_refused_and_touches_nothing(machines: TwoMachines) -> None:
    done = machines.type(machines.dallas, "drill", "--json")
    assert done.exit == Exit.REFUSED
    assert "exactly one machine must be primary, and none is" in done.err
    assert machines.holders() == set()


def test_a_drill_with_a_peer_that_is_silent_is_refused(serving: TwoMachines) -> None:
    serving.boston.ssh = Ssh.REFUSED
    done = serving.type(serving.dallas, "drill", "--json")
    assert done.exit == Exit.REFUSED
    assert "No drill now, nothing was changed" in done.err
    assert serving.primaries() == {"boston"}


def test_an_away_that_cannot_register_is_told_first_with_what_to_type(serving: TwoMachines) -> None:
    serving.refuse(serving.dallas, *ACCOUNTS)
    code, report = held(serving)
    assert (code, len(report["legs"])) == (Exit.HALFWAY, 1)
    assert "dallas did not take over" in report["sentence"]
    assert report["alarm"].startswith("OFF THE AIR: acme, nova;")
    assert report["next"] == "on boston, type: failover switchover"
    shown = (serving.dallas.places.state / "drills" / "000001.md").read_text()
    assert "OFF THE AIR" in shown.splitlines()[2]


def test_a_home_that_cannot_take_back_is_told_first(serving: TwoMachines) -> None:
    serving.refuse(serving.boston, *ACCOUNTS)
    code, report = held(serving)
    assert (code, [leg["machine"] for leg in report["legs"]]) == (Exit.HALFWAY, ["dallas", "boston"])
    assert "boston did not take back" in report["sentence"]
    assert report["alarm"].startswith("OFF THE AIR: acme, nova;")


def test_whoever_is_primary_rehearses_on_the_other(serving: TwoMachines) -> None:
    done = serving.type(serving.boston, "drill", "--rehearse")
    assert done.exit == Exit.REFUSED
    assert "Rehearse on dallas" in done.err
    rehearsed = json.loads(serving.type(serving.dallas, "drill", "--rehearse", "--json").out)
    assert [one["step"] for one in rehearsed["steps"]][:2] == ["fence", "localize"]
    assert serving.primaries() == {"boston"}


def test_a_second_promotion_of_the_one_that_serves_is_nothing_to_do(serving: TwoMachines) -> None:
    planned = json.loads(serving.type(serving.boston, "plan", "promote", "--json").out)
    assert planned["risks"] == []
