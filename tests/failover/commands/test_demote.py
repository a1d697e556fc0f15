"""`failover demote`: this machine is standby afterwards, whatever else is broken."""

from __future__ import annotations

import pytest

from failover.context import Context
from host.exits import Exit
from host.lock import Lock
from tests.fakes.two_machines import ACCOUNTS, TwoMachines


@pytest.fixture
def serving(machines: TwoMachines) -> TwoMachines:
    """boston is primary."""
    assert machines.type(machines.boston, "promote").exit == Exit.DEGRADED
    return machines


def test_it_becomes_standby_and_says_so_and_writes_it_down(serving: TwoMachines) -> None:
    told = serving.type(serving.boston, "demote", "maintenance of the rack")
    assert (told.exit, told.out.startswith("boston is standby")) == (Exit.DONE, True)
    assert serving.holders() == serving.primaries() == set()
    assert "demote" in serving.type(serving.boston, "history").out


def test_doing_it_twice_is_doing_it_once(serving: TwoMachines) -> None:
    for _ in range(2):
        assert serving.type(serving.boston, "demote").exit == Exit.DONE
    assert serving.holders() == set()


def test_an_asterisk_that_does_not_obey_is_killed(serving: TwoMachines) -> None:
    serving.boston.pbx.turn_deaf()
    told = serving.type(serving.boston, "demote")
    assert (told.exit, "killing Asterisk" in told.err) == (Exit.DONE, True)
    assert not serving.boston.pbx.up


def test_one_that_cannot_be_killed_is_not_standby_and_what_to_do_is_said(
    serving: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.boston.pbx.turn_deaf()
    monkeypatch.setattr("failover.demotion.killing.kill_asterisk", lambda _: ())
    told = serving.type(serving.boston, "demote")
    assert (told.exit, "take its network or its power away" in told.err) == (Exit.HALFWAY, True)


def test_an_open_promotion_is_taken_back(serving: TwoMachines) -> None:
    serving.refuse(serving.dallas, *ACCOUNTS)
    assert serving.type(serving.dallas, "promote").exit == Exit.HALFWAY
    assert serving.type(serving.dallas, "demote").exit == Exit.DONE
    assert "dallas" not in serving.holders() | serving.primaries()
    assert "Nothing is open" in serving.type(serving.dallas, "promote", "--abort").said


def test_it_waits_for_no_promotion_that_runs(serving: TwoMachines) -> None:
    with Lock(serving.boston.places.run / "failover.lock", "failover promote on boston"):
        assert serving.type(serving.boston, "demote").exit == Exit.DONE
    assert serving.holders() == set()


def test_a_damaged_journal_keeps_nobody_registered(serving: TwoMachines) -> None:
    (journal,) = (serving.boston.places.state / "journal").glob("*promote*")
    journal.write_bytes(journal.read_bytes()[:40] + b"x" * 40 + journal.read_bytes()[80:])
    told = serving.type(serving.boston, "demote")
    assert (told.exit, "was not taken back" in told.err) == (Exit.DEGRADED, True)
    assert serving.holders() == serving.primaries() == set()


def test_a_demotion_that_cannot_be_written_down_is_one(serving: TwoMachines, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("failover.journal.journal.create", full)
    told = serving.type(serving.boston, "demote")
    assert (told.exit, "not written down" in told.err) == (Exit.DONE, True)
    assert serving.holders() == set()


def test_a_zone_that_cannot_be_given_up_is_told_and_changes_nothing_about_the_calls(
    serving: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("failover.steps.dns.bind_role.give_zone_up", refuses)
    told = serving.type(serving.boston, "demote")
    assert (told.exit, "its BIND was not made secondary" in told.out) == (Exit.DEGRADED, True)
    assert serving.holders() == set()


def test_it_waits_for_calls_to_end_where_it_was_asked_to(serving: TwoMachines, monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter([2, 1, 0])

    def count(_: Context) -> int:
        return next(left)

    monkeypatch.setattr("failover.probes.own_asterisk.count_calls", count)
    monkeypatch.setattr("failover.demotion.drain.POLL_S", 0.0)
    told = serving.type(serving.boston, "demote", "--drain", "10m")
    assert (told.exit, "no call is left on boston" in told.err) == (Exit.DONE, True)
    assert next(left, None) is None
