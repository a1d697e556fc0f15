"""kill -9 at a journal line of a promotion whose peer is dead; the same command completes it."""

from __future__ import annotations

import pytest

from lab import World
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, failover
from tests.world.failover.pairing import become, introduce
from tests.world.failover.promotion.test_promote import address, runs

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("22", "16", sshd=True, named=True, expiry_s=20, extra=DELEGATION)
    introduce(made)
    become(made.dallas, "standby")
    become(made.boston, "primary")
    made.boston.power_off()
    return made


KILLED = """
import os, signal, sys
from failover.journal import journal
from failover.command import main
left = {line}
real = journal.Journal.append
def mortal(self, *given, **more):
    global left
    left -= 1
    if left == 0 and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    found = real(self, *given, **more)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
journal.Journal.append = mortal
sys.argv = ["failover", "promote", "--peer-is-down", "still dead"]
main()
"""


@pytest.mark.parametrize(("line", "before"), [(1, True), (5, True), (6, False), (7, True), (8, False)])
def test_killed_at_a_line_the_same_command_completes_it(world: World, line: int, before: bool) -> None:
    assert failover(world.dallas, "demote").returncode == 0
    killed = world.dallas.run(["python3", "-c", KILLED.format(line=line, before=before)])
    assert killed.returncode in (-9, 137), killed.stdout + killed.stderr
    done = failover(world.dallas, "promote", "--peer-is-down", "still dead")
    assert done.returncode == 5, done.stdout + done.stderr
    assert address(world.dallas, "192.0.2.12") == "192.0.2.12"
    world.carrier.await_holder("acme", ["dallas"])
    last = runs(world.dallas)[-1]
    assert last["open"] is False
    assert last["steps"]["fence"] == last["steps"]["dns"] == "verified"
    assert last["steps"]["carrier-acme"] == "open"


def test_killed_after_its_registrations_it_is_taken_back_on_request(world: World) -> None:
    assert failover(world.dallas, "demote").returncode == 0
    killed = world.dallas.run(["python3", "-c", KILLED.format(line=6, before=False)])
    assert killed.returncode in (-9, 137), killed.stdout + killed.stderr
    world.carrier.await_holder("acme", ["dallas"])
    shown = failover(world.dallas, "history").stdout
    assert "OPEN: fence" in shown
    done = failover(world.dallas, "promote", "--abort")
    assert done.returncode == 0, done.stdout + done.stderr
    assert failover(world.dallas, "is-primary").returncode == 1
    assert "acme" not in world.dallas.asterisk("pjsip show registrations") + world.dallas.asterisk("sip show registry")
    assert runs(world.dallas)[-1]["result"].startswith("undone: ")
    again = failover(world.dallas, "promote", "--abort")
    assert (again.returncode, "nothing was taken back" in again.stdout + again.stderr) == (0, True)


def test_an_altered_journal_is_refused_and_two_at_once_are_one(world: World) -> None:
    assert failover(world.dallas, "promote", "--peer-is-down", "still dead").returncode == 5
    file = max(world.dallas.path("/var/lib/hotstandby/journal").iterdir())
    kept = file.read_bytes()
    try:
        file.write_bytes(kept.replace(b"promote", b"premote", 1))
        done = failover(world.dallas, "promote", "--peer-is-down", "still dead")
        assert done.returncode == 3
        assert "was altered" in done.stderr
        assert failover(world.dallas, "history").returncode == 1
        demoted = failover(world.dallas, "demote")
        assert demoted.returncode == 5
        assert "dallas is standby" in demoted.stdout
    finally:
        file.write_bytes(kept)
    lock = "Lock(Path('/run/hotstandby/failover.lock'), 'failover promote')"
    hold = "from pathlib import Path\nfrom host.lock import Lock\nimport time\n"
    hold += f"with {lock}:\n    print('held', flush=True)\n    time.sleep(60)\n"
    holder = world.dallas.spawn(["python3", "-c", hold])
    holder.await_output("held")
    done = failover(world.dallas, "promote", "--peer-is-down", "still dead")
    assert done.returncode == 1
    assert "Already running: failover promote" in done.stderr
    assert failover(world.dallas, "demote").returncode == 0  # waits for no lock
    holder.kill()
