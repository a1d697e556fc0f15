"""Commands that tell or guard what this machine is: is-primary, run-if-primary, pause, boot-guard, peer, help."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import pytest

from host.exits import Exit
from tests.fakes.two_machines import TwoMachines


def test_is_primary_tells_by_its_exit_code_and_in_words(machines: TwoMachines) -> None:
    assert machines.type(machines.boston, "is-primary").exit == Exit.FAILED
    machines.type(machines.boston, "promote")
    told = machines.type(machines.boston, "is-primary")
    assert (told.exit, told.out) == (Exit.DONE, "boston is primary: promote 1.\n")
    assert machines.type(machines.boston, "is-primary", "--quiet").said == ""
    found = json.loads(machines.type(machines.boston, "is-primary", "--json").out)
    assert (found["primary"], found["right"]["epoch"]) == (True, 1)


def test_a_machine_that_does_not_know_its_name_is_not_primary(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    machines.boston.places.machine_file.write_text("nowhere\n")  # the right is boston's
    assert machines.type(machines.boston, "is-primary").exit == Exit.FAILED
    machines.boston.places.machine_file.unlink()
    told = machines.type(machines.boston, "is-primary")
    assert (told.exit, "It is not known whether" in told.err) == (Exit.FAILED, True)


def test_a_pair_toml_that_was_broken_meanwhile_changes_nothing_of_who_is_primary(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    machines.boston.places.pair_toml.write_text("[pair\n")
    assert machines.type(machines.boston, "is-primary").exit == Exit.DONE


class Ran(BaseException):
    """The program took over this process."""


def test_a_program_runs_on_the_primary_alone(machines: TwoMachines, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Sequence[str]] = []

    def execvp(_program: str, argv: Sequence[str]) -> None:
        ran.append(argv)
        raise Ran

    monkeypatch.setattr(os, "execvp", execvp)
    told = machines.type(machines.boston, "run-if-primary", "--", "report", "--all")
    assert (told.exit, told.said, ran) == (Exit.DONE, "", [])
    machines.type(machines.boston, "promote")
    with pytest.raises(Ran):
        machines.type(machines.boston, "run-if-primary", "--", "report", "--all")
    assert ran == [("report", "--all")]


def test_a_program_that_is_not_there_is_told(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    told = machines.type(machines.boston, "run-if-primary", "--", "/nowhere/report")
    assert (told.exit, "Give its whole path" in told.err) == (Exit.USAGE, True)


def test_a_pause_is_begun_shown_and_ended(machines: TwoMachines) -> None:
    begun = machines.type(machines.boston, "pause", "--for", "2h", "new switch in the rack")
    assert begun.exit == Exit.DONE
    assert "Paused on boston for" in begun.out
    assert "new switch in the rack" in begun.out
    assert "has ended" in machines.type(machines.boston, "unpause").out
    assert "There was no pause" in machines.type(machines.boston, "unpause").out
    refused = machines.type(machines.boston, "pause", "--for", "tomorrow", "x")
    assert (refused.exit, "is not a duration" in refused.err) == (Exit.USAGE, True)


@pytest.mark.parametrize("peer_dead", [False, True])
def test_without_name_servers_a_machine_that_starts_is_standby(machines: TwoMachines, *, peer_dead: bool) -> None:
    machines.type(machines.boston, "promote")
    if peer_dead:
        machines.power_off(machines.dallas)
    told = machines.type(machines.boston, "boot-guard")
    assert (told.exit, told.out.startswith("boston starts as standby")) == (Exit.DONE, True)
    assert machines.primaries() == set()
    found = json.loads(machines.type(machines.boston, "boot-guard", "--json").out)
    assert (found["primary"], found["epoch"]) == (False, 0)


def test_the_forced_command_answers_what_stands_in_the_environment(
    machines: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "digest")
    told = machines.type(machines.boston, "peer")
    assert (told.exit, json.loads(told.out)["kind"]) == (Exit.DONE, "digest")
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "reboot")
    told = machines.type(machines.boston, "peer")
    assert (told.exit, json.loads(told.out)["kind"]) == (Exit.REFUSED, "refused")


def test_a_pair_toml_that_was_spoilt_is_told_and_the_last_valid_one_serves(machines: TwoMachines) -> None:
    assert machines.type(machines.boston, "promote").exit == Exit.DEGRADED
    machines.boston.places.pair_toml.write_text("not [toml")
    told = machines.type(machines.boston, "pause", "spoilt")
    assert (told.exit, told.err.startswith("WARNING: ")) == (Exit.DONE, True)


def test_a_mistyped_command_is_suggested(machines: TwoMachines) -> None:
    told = machines.type(machines.boston, "is-primry")
    assert (told.exit, "is-primary" in told.err) == (Exit.USAGE, True)


def test_help_lists_every_command(machines: TwoMachines) -> None:
    told = machines.type(machines.boston, "--help")
    for name in ("promote", "switchover", "demote", "is-primary", "boot-guard"):
        assert name in told.out


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/run/hotstandby/x"), "may not be read or written by this user"),
        (OSError(28, "No space left on device", "/var/lib/hotstandby/x"), "/var/lib/hotstandby/x: No space left"),
        (OSError("odd"), "odd"),
    ],
)
def test_what_the_disk_refuses_is_one_line(
    machines: TwoMachines, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("failover.state.pause.begin", fails)
    told = machines.type(machines.boston, "pause", "x")
    assert (told.exit, words in told.err) == (Exit.FAILED, True)
