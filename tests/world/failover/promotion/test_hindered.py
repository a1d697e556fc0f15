"""What stands in a command's way and must not stop it, or must: hanging hooks, forced risks, an altered journal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import World
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import failover, served, set_up
from tests.world.failover.promotion.failing import changed
from tests.world.failover.promotion.mortal import Point, killed, role_on_disk
from tests.world.failover.promotion.test_promote import runs

pytestmark = pytest.mark.world

TRUNKS = ("acme", "nova")
PAIR = "/etc/hotstandby/pair.toml"
JOURNAL = "/var/lib/hotstandby/journal"
WORD = ("--peer-is-down", "its power is gone")
HANGS = "#!/bin/sh\ntouch /run/hook-$HOTSTANDBY_WHEN-$HOTSTANDBY_STEP\nsleep 300\n"


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, expiry_s=20, trunks=TRUNKS)
    set_up(made)
    return made


def history(machine: Machine, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(failover(machine, "history", str(number), "--json").stdout)
    return found


def holds(world: World, machine: Machine) -> None:
    assert failover(machine, "is-primary").returncode == 0
    for trunk in TRUNKS:
        world.carrier.await_holder(trunk, [machine.name])


# --force


def test_a_differing_pair_toml_is_refused_and_can_be_taken_on_oneself(world: World) -> None:
    before = runs(world.dallas)
    text = world.dallas.path(PAIR).read_text()
    with changed(world.dallas, PAIR, f"{text}# edited here alone\n", 0o644):
        refused = failover(world.dallas, "switchover")
        assert refused.returncode == 3
        assert "pair.toml differs between dallas and boston" in refused.stderr
        assert '(pair-differs) with: failover switchover --force "REASON"' in refused.stderr
        assert runs(world.dallas) == before
        holds(world, world.boston)

        reason = "the difference is a remark, I looked"
        served(world.dallas, "switchover", "--force", reason)
        holds(world, world.dallas)
        told = history(world.dallas, runs(world.dallas)[-1]["run"])
        assert told["facts"]["force"] == reason
        assert told["facts"]["forced"] == ["pair-differs"]
        shown = failover(world.dallas, "history", str(told["run"])).stdout
        assert reason in " ".join(shown.split()), shown
    served(world.boston, "switchover")


def test_what_only_a_word_can_know_is_not_forced(world: World) -> None:
    world.cut("boston", "dallas")
    try:
        done = failover(world.dallas, "promote", "--force", "hurry")
        assert done.returncode == 3
        assert '--peer-is-down "REASON"' in done.stderr
        assert "--force" not in done.stderr  # it would not help
        again = failover(world.dallas, "switchover", "--force", "hurry")
        assert again.returncode == 3
        assert "needs boston to demote itself" in again.stderr
    finally:
        world.heal()
    assert role_on_disk(world.dallas) == "standby"
    holds(world, world.boston)


# Hooks


def test_a_hook_that_hangs_is_stopped_at_its_limit_and_named_and_stops_nothing(world: World) -> None:
    places = [("before", "localize"), ("after", "dns")]
    hooks = [f"/etc/hotstandby/hooks/{when}-{step}/hangs" for when, step in places]
    world.boston.power_off()
    with changed(world.dallas, hooks[0], HANGS, 0o755), changed(world.dallas, hooks[1], HANGS, 0o755):
        begun = time.monotonic()
        done = failover(world.dallas, "promote", *WORD)
        took = time.monotonic() - begun
    said = done.stdout + done.stderr
    assert done.returncode == 5, said
    assert took > 20  # each had its 10 s
    for (when, step), hook in zip(places, hooks, strict=True):
        assert f"{hook} failed, the run goes on: '{hook}' did not end within 10 s and was stopped" in said
        assert world.dallas.path(f"/run/hook-{when}-{step}").exists()
    assert "sleep" not in world.dallas.run(["ps", "-eo", "comm"]).stdout.split()  # what it had started as well
    lines = history(world.dallas, runs(world.dallas)[-1]["run"])["lines"]
    assert [line["step"] for line in lines if line["kind"] == "hook"] == ["localize", "dns"]
    holds(world, world.dallas)


# The journal


@contextmanager
def altered(machine: Machine) -> Iterator[Path]:
    """A byte in the middle of the newest run is another one."""
    file = max(machine.path(JOURNAL).iterdir())
    data = file.read_bytes()
    middle = data.index(b'"step":"', len(data) // 2) + len(b'"step":"')
    file.write_bytes(data[:middle] + b"~" + data[middle + 1 :])
    assert file.stat().st_size == len(data)
    yield file


def test_an_altered_journal_is_decided_from_by_nobody_and_demoting_works_all_the_same(world: World) -> None:
    assert failover(world.dallas, "demote").returncode == 0
    # Open, so that there is something to go on with, or to take back.
    assert killed(world.dallas, ["promote", *WORD], Point("after", 8))
    with altered(world.dallas) as file:
        for command in (("promote", *WORD), ("promote", "--abort"), ("switchover",)):
            done = failover(world.dallas, *command)
            assert done.returncode == 3, done.stdout + done.stderr
            for words in ("is damaged: line", "was altered", "failover status", f"mv {JOURNAL}/{file.name}"):
                assert words in done.stderr, (command, done.stderr)
        listed = failover(world.dallas, "history")
        assert listed.returncode == 1
        assert "DAMAGED: " in listed.stdout
        number = str(int(file.name.split("-")[0]))
        assert failover(world.dallas, "history", number).returncode == 3
        status = failover(world.dallas, "status")
        assert status.returncode == 0
        next_line = next(line for line in status.stdout.splitlines() if line.startswith("next "))
        assert f"the journal of promote {number}, damaged, on dallas" in next_line
        checked = json.loads(failover(world.dallas, "check", "--json").stdout)
        assert "open-run" in {one["rule"] for one in checked["findings"] if one["level"] == "error"}

        demoted = failover(world.dallas, "demote")
        assert demoted.returncode == 5, demoted.stdout + demoted.stderr
        assert "dallas is standby" in demoted.stdout
        assert "an open promotion was not taken back" in demoted.stderr
        assert role_on_disk(world.dallas) == "standby"
        assert not world.dallas.path("/run/hotstandby/right.json").exists()
        assert "555" not in world.dallas.asterisk("pjsip show registrations")
        # What the message says to type.
        file.rename(f"{file}.damaged")
    done = failover(world.dallas, "promote", *WORD)
    assert done.returncode == 5, done.stdout + done.stderr
    holds(world, world.dallas)
