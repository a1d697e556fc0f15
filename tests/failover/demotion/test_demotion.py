"""A machine becomes standby whatever is broken: by its reload, by the kill, and never by waiting for a disk."""

from __future__ import annotations

import pytest

from failover.demotion import demotion
from failover.demotion.demotion import demote
from failover.errors import FailoverError
from failover.state import fenced, local_state
from host.exits import Exit
from tests.fakes.two_machines import ACCOUNTS, TwoMachines


def role(machines: TwoMachines) -> str:
    return local_state.role_of(machines.dallas.places)[0]


@pytest.fixture
def primary(machines: TwoMachines) -> TwoMachines:
    """dallas is primary, boston's power is off."""
    machines.power_off(machines.boston)
    assert (
        machines.type(machines.dallas, "promote", "--peer-is-down", "it burns").exit == Exit.DEGRADED
    )  # a manual carrier waits
    return machines


def test_it_obeys_and_its_own_lists_are_the_proof(primary: TwoMachines) -> None:
    said: list[str] = []
    done = demote(primary.dallas.context, "a test", progress=said.append)
    assert (done.proven, done.killed) == (True, ())
    assert done.words.startswith("dallas is standby: its Asterisk lists no shared account")
    assert said == ["swapping to standby", "reloading"]
    assert role(primary) == "standby"
    assert primary.dallas.pbx.shared == set()
    again = demote(primary.dallas.context, "again")
    assert (again.proven, again.left) == (True, ())


def test_one_that_does_not_obey_is_killed_and_its_bindings_are_told(
    primary: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demotion, "OBEY_S", 0.3)
    monkeypatch.setattr(demotion, "REFUSES_S", 0.1)
    assert primary.dallas.pbx.shared == set(ACCOUNTS)
    primary.dallas.pbx.turn_deaf()
    done = demote(primary.dallas.context, "a test")
    assert done.proven
    assert done.killed
    assert "start it as standby with: systemctl start asterisk" in done.words
    assert {trunk for trunk, _ in done.left} == {"acme", "nova"}
    assert "bindings that nobody can remove live at the carrier" in done.words
    assert fenced.read_fence(primary.dallas.places) is None


@pytest.mark.parametrize("broken", ["frozen", "no lists"])
def test_one_that_cannot_be_seen_is_killed(primary: TwoMachines, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setattr(demotion, "CONSOLE_S", 0.3)
    if broken == "frozen":
        primary.freeze(primary.dallas.pbx)
    else:
        primary.dallas.pbx.close_manager()
    done = demote(primary.dallas.context, "a test")
    assert done.proven
    assert done.killed
    assert any(note.startswith("Asterisk was killed: ") for note in done.notes)


def test_one_that_is_down_is_standby_by_being_down(primary: TwoMachines) -> None:
    primary.stop(primary.dallas.pbx)
    done = demote(primary.dallas.context, "a test")
    assert done.proven
    assert "no Asterisk process runs" in done.words
    assert role(primary) == "standby"


def test_one_that_cannot_even_be_killed_is_not_proven_standby(
    primary: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unkillable(_: object) -> None:
        raise FailoverError("Process 7 is still there: take the machine's power")

    primary.freeze(primary.dallas.pbx)
    monkeypatch.setattr(demotion, "CONSOLE_S", 0.3)
    monkeypatch.setattr("failover.demotion.killing.kill_asterisk", unkillable)
    done = demote(primary.dallas.context, "a test")
    assert not done.proven
    assert done.words.startswith("dallas is not proven standby: Process 7")
    assert not primary.dallas.is_primary


def test_standby_files_that_somebody_removed_are_rendered_anew(primary: TwoMachines) -> None:
    for each in (primary.dallas.places.localized / "generations").glob("*-standby-*"):
        each.rename(each.with_name(each.name.replace("-standby-", "-gone-")))
    done = demote(primary.dallas.context, "a test")
    assert (done.proven, done.killed, role(primary)) == (True, (), "standby")
