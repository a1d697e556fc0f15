"""Promotions in every situation of the peer and of this machine: who serves afterwards, and what a person is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from host.exits import Exit
from tests.fakes.two_machines import ACCOUNTS, Ssh, TwoMachines

WORD: Final = ("--peer-is-down", "the rack has no power")
FORCE: Final = (*WORD, "--force", "somebody stands there")


def ssh(behaviour: Ssh) -> Callable[[TwoMachines], None]:
    def changed(machines: TwoMachines) -> None:
        machines.boston.ssh = behaviour

    return changed


def healthy(_machines: TwoMachines) -> None:
    """Nothing is wrong."""


def dead(machines: TwoMachines) -> None:
    machines.power_off(machines.boston)


def half_dead(machines: TwoMachines) -> None:
    """It answers ping; its sshd and its Asterisk have ended."""
    machines.boston.ssh = Ssh.REFUSED
    machines.stop(machines.boston.pbx)


def frozen(machines: TwoMachines) -> None:
    machines.freeze(machines.boston.pbx)


def deaf(machines: TwoMachines) -> None:
    machines.boston.pbx.turn_deaf()


def refused_here(*accounts: str) -> Callable[[TwoMachines], None]:
    def changed(machines: TwoMachines) -> None:
        machines.refuse(machines.dallas, *accounts)

    return changed


def no_asterisk_here(machines: TwoMachines) -> None:
    machines.stop(machines.dallas.pbx)


def no_lists_here(machines: TwoMachines) -> None:
    machines.dallas.pbx.close_manager()


def deaf_here(machines: TwoMachines) -> None:
    machines.wait_for_registrations(2)
    machines.dallas.pbx.turn_deaf()


def no_primary_files_here(machines: TwoMachines) -> None:
    """A secret that the primary files need is missing."""
    (machines.dallas.places.secrets / "acme").unlink()


@dataclass(frozen=True)
class Row:
    """One situation, and what comes of `failover promote` on dallas while boston is primary.

    Attributes:
        name: of the case.
        wrong: what is changed before.
        argv: more words of the command.
        exit: its exit code.
        primary: who is primary afterwards, of those that live.
        registers: whose Asterisk registers afterwards.
        said: what a person reads.
    """

    name: str
    wrong: tuple[Callable[[TwoMachines], None], ...]
    argv: tuple[str, ...]
    exit: Exit
    primary: str
    registers: str
    said: str


ROWS: Final = (
    Row("alive", (healthy,), (), Exit.DEGRADED, "dallas", "dallas", "boston demoted itself"),
    Row("dead, and nobody says so", (dead,), (), Exit.REFUSED, "", "", "Type one of:"),
    Row("dead, and a person says so", (dead,), WORD, Exit.DEGRADED, "dallas", "dallas", "a person's word"),
    Row("no sshd", (ssh(Ssh.REFUSED),), (), Exit.REFUSED, "boston", "boston", "nobody listens for ssh"),
    Row("half dead, called dead", (half_dead,), WORD, Exit.REFUSED, "boston", "", "answers sip at this moment"),
    Row("half dead, by force", (half_dead,), FORCE, Exit.DEGRADED, "boston dallas", "dallas", "a person's word"),
    Row("unknown key", (ssh(Ssh.UNKNOWN_KEY),), (), Exit.REFUSED, "boston", "boston", "does not know the key"),
    Row("other program", (ssh(Ssh.OTHER_PROGRAM),), (), Exit.REFUSED, "boston", "boston", "command not found"),
    Row("old version", (ssh(Ssh.OLD_VERSION),), (), Exit.REFUSED, "boston", "boston", "boston serves"),
    Row("answer lost", (ssh(Ssh.LOST_ANSWER),), (), Exit.HALFWAY, "", "", "whether it did is not known"),
    Row("its Asterisk hangs", (frozen,), (), Exit.DEGRADED, "dallas", "dallas", "had to be killed"),
    Row("its Asterisk is deaf", (deaf,), (), Exit.DEGRADED, "dallas", "dallas", "had to be killed"),
    Row("no Asterisk here", (no_asterisk_here,), (), Exit.REFUSED, "boston", "boston", "could not serve"),
    Row("no lists here", (no_lists_here,), (), Exit.REFUSED, "boston", "boston", "could not serve"),
    Row("no lists here, dead", (dead, no_lists_here), WORD, Exit.HALFWAY, "dallas", "dallas", "IS NOT KNOWN"),
    Row("a trunk refused", (refused_here(ACCOUNTS[1]),), (), Exit.DEGRADED, "dallas", "dallas", "nova: the carrier"),
    Row("a required trunk refused", (refused_here(ACCOUNTS[0]),), (), Exit.HALFWAY, "dallas", "dallas", "--abort"),
    Row("every trunk refused", (refused_here(*ACCOUNTS),), (), Exit.HALFWAY, "dallas", "dallas", "NOBODY ANSWERS"),
    Row("the same, dead", (dead, refused_here(*ACCOUNTS)), WORD, Exit.HALFWAY, "dallas", "dallas", "NOBODY ANSWERS"),
    Row("deaf here", (deaf_here,), (), Exit.HALFWAY, "dallas", "", "NOBODY ANSWERS"),
    Row("a secret is missing", (no_primary_files_here,), (), Exit.DEGRADED, "dallas", "dallas", "2 of 2 trunks"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_who_serves_after_a_promotion_and_what_is_said(machines: TwoMachines, row: Row) -> None:
    assert machines.type(machines.boston, "promote").exit == Exit.DEGRADED
    for change in row.wrong:
        change(machines)
    ended = machines.type(machines.dallas, "promote", *row.argv)
    assert (Exit(ended.exit), machines.primaries(), machines.holders()) == (
        row.exit,
        set(row.primary.split()),
        set(row.registers.split()),
    ), ended.said
    assert row.said in ended.said


def test_what_was_stopped_by_a_lost_answer_goes_on_when_the_peer_is_seen_again(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    machines.boston.ssh = Ssh.LOST_ANSWER
    assert machines.type(machines.dallas, "promote").exit == Exit.HALFWAY
    assert machines.holders() == set()
    machines.boston.ssh = Ssh.ANSWERS
    assert machines.type(machines.dallas, "promote").exit == Exit.DEGRADED
    assert machines.holders() == machines.primaries() == {"dallas"}


def test_a_promotion_that_is_given_up_hands_the_calls_back_to_the_peer_that_gave_way(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    machines.refuse(machines.dallas, *ACCOUNTS)
    assert machines.type(machines.dallas, "promote").exit == Exit.HALFWAY
    ended = machines.type(machines.dallas, "promote", "--abort")
    assert machines.holders() == machines.primaries() == {"boston"}, ended.said
    assert "serve 2" in machines.boston.asked


def test_a_half_way_promotion_goes_on_when_the_carrier_takes_the_trunk(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    machines.refuse(machines.dallas, ACCOUNTS[0])
    assert machines.type(machines.dallas, "promote").exit == Exit.HALFWAY
    machines.refuse(machines.dallas)
    assert machines.type(machines.dallas, "promote").exit == Exit.DEGRADED
    assert machines.carrier.holders == dict.fromkeys(ACCOUNTS, "dallas")


def test_a_promotion_of_the_primary_with_nothing_missing_is_nothing(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    assert machines.type(machines.boston, "confirm", "carrier-acme", "Mia at acme").exit == Exit.DONE
    assert machines.type(machines.boston, "promote").exit == Exit.DONE
    ended = machines.type(machines.boston, "promote")
    assert (ended.exit, "Nothing to do" in ended.said) == (Exit.DONE, True)
    assert machines.holders() == {"boston"}
