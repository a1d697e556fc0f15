"""`failover history` and `failover confirm`: what was done here, and a person's word for what only they can do."""

from __future__ import annotations

import json

import pytest

from failover.journal import journal
from host.exits import Exit
from tests.fakes.two_machines import ACCOUNTS, TwoMachines


@pytest.fixture
def serving(machines: TwoMachines) -> TwoMachines:
    """boston is primary, and waits for somebody to call the carrier."""
    assert machines.type(machines.boston, "promote").exit == Exit.DEGRADED
    return machines


def test_nothing_yet(machines: TwoMachines) -> None:
    assert "Nothing was promoted or demoted" in machines.type(machines.boston, "history").out
    assert json.loads(machines.type(machines.boston, "history", "--json").out) == []


def test_a_run_is_listed_with_what_waits(serving: TwoMachines) -> None:
    told = serving.type(serving.boston, "history")
    assert "carrier-acme waits: failover history 1" in told.out
    (run,) = json.loads(serving.type(serving.boston, "history", "--json").out)
    assert (run["run"], run["epoch"], run["open"], run["waiting"]) == (1, 1, False, ["carrier-acme"])
    assert run["steps"]["localize"] == "verified"


def test_a_run_is_shown_as_a_timeline(serving: TwoMachines) -> None:
    assert "run 1: promote of boston, epoch 1, degraded" in serving.type(serving.boston, "history", "1").out
    found = json.loads(serving.type(serving.boston, "history", "1", "--json").out)
    kinds = [line["kind"] for line in found["lines"]]
    assert (kinds[0], kinds[-1], found["torn"]) == ("opened", "closed", 0)
    assert found["facts"]["peer"] == "dallas"


def test_an_open_run_says_what_completes_it(serving: TwoMachines) -> None:
    serving.refuse(serving.dallas, *ACCOUNTS)
    serving.type(serving.dallas, "switchover")
    told = serving.type(serving.dallas, "history")
    assert "OPEN: " in told.out
    assert "next     failover switchover, which completes it or takes it back" in told.out


def test_a_run_without_a_line_and_a_damaged_one_are_shown(serving: TwoMachines) -> None:
    where = journal.directory(serving.boston.places)
    journal.create(where, "promote", machine="boston", epoch=2).close()
    assert "ended before it wrote anything" in serving.type(serving.boston, "history").out
    assert "nothing was touched" in serving.type(serving.boston, "history", "2").out
    first = next(where.glob("*1*promote*"))
    first.write_bytes(b"x" * 50 + first.read_bytes()[50:])
    told = serving.type(serving.boston, "history")
    assert (told.exit, "DAMAGED" in told.out) == (Exit.FAILED, True)
    damaged, empty = json.loads(serving.type(serving.boston, "history", "--json").out)
    assert "damaged" in damaged
    assert empty["result"] == "nothing was written"


def test_a_line_that_a_crash_cut_short_is_told(serving: TwoMachines) -> None:
    (path,) = journal.directory(serving.boston.places).glob("*promote*")
    with path.open("ab") as file:
        file.write(b'{"half a li')
    assert "A crash cut the last line short (11 bytes)" in serving.type(serving.boston, "history", "1").out


def test_a_persons_word_completes_the_promotion(serving: TwoMachines) -> None:
    told = serving.type(serving.boston, "confirm", "carrier-acme", "Mia at acme, 09:20")
    assert (told.exit, "No other waits for a person" in told.out) == (Exit.DONE, True)
    assert serving.type(serving.boston, "promote").exit == Exit.DONE
    assert "next     nothing to do" in serving.type(serving.boston, "history").out


@pytest.mark.parametrize("step", ["localize", "carrier-other"])
def test_what_no_person_can_do_is_not_confirmed(serving: TwoMachines, step: str) -> None:
    told = serving.type(serving.boston, "confirm", step)
    assert (told.exit, "waiting: carrier-acme" in told.err) == (Exit.REFUSED, True)


def test_nothing_waits_where_nothing_was_done(machines: TwoMachines) -> None:
    told = machines.type(machines.boston, "confirm", "carrier-acme")
    assert (told.exit, "waiting: none" in told.err) == (Exit.REFUSED, True)
