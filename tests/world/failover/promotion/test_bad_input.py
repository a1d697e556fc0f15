"""What a promotion is given and must not believe, or must be able to carry: keys, clocks, files, journals, zones.

The zone has 10,000 records throughout.
"""

from __future__ import annotations

import threading

import pytest

from host.command import Finished
from lab.computer.disk import HOME
from tests.world.conftest import Worlds
from tests.world.failover.cutover import answered, failover, name_servers, names_agree
from tests.world.failover.pairing import SSH
from tests.world.failover.promotion.failing import RECORDS, TRUNKS, WORD, Scene, full_disk, opened
from tests.world.failover.promotion.mortal import Point, killed, role_on_disk
from tests.world.failover.promotion.test_promote import runs

pytestmark = pytest.mark.world

FAST_CLOCK = (
    'command="python3 -c \\"import time; real = time.time; time.time = lambda: real() + 3600; '
    "import sys; sys.argv = ['failover', 'peer']; from failover.command import main; main()\\\"\""
)
"""The peer's own program, whose clock is an hour ahead: two hosts of one kernel cannot differ by themselves."""


@pytest.fixture(scope="module")
def scene(worlds: Worlds) -> Scene:
    return opened(worlds)


# While boston lives


def refused(scene: Scene, words: str, *arguments: str) -> None:
    before = runs(scene.dallas)
    done = failover(scene.dallas, *arguments)
    assert done.returncode == 3, done.stdout + done.stderr
    assert words in done.stderr, done.stderr
    assert runs(scene.dallas) == before
    assert role_on_disk(scene.dallas) == "standby"
    for trunk in TRUNKS:
        scene.world.carrier.await_holder(trunk, ["boston"])


@pytest.mark.parametrize("arguments", [("promote",), ("switchover",), ("promote", *WORD)])
def test_a_peer_whose_host_key_changed_is_not_believed(scene: Scene, arguments: tuple[str, ...]) -> None:
    known = scene.dallas.path(f"{SSH}/known_hosts")
    kept = known.read_text()
    other = scene.dallas.path(f"{SSH}/peer_key.pub").read_text()
    known.write_text(f"boston {other}")
    try:
        # With a person's word the peer's Asterisk, which answers at that moment, stands against it.
        refused(scene, "its Asterisk runs" if WORD[0] in arguments else "key", *arguments)
    finally:
        known.write_text(kept)


def test_another_pair_toml_on_the_other_machine_is_told_before_anything_is_done(scene: Scene) -> None:
    file = scene.dallas.path("/etc/hotstandby/pair.toml")
    kept = file.read_text()
    file.write_text(kept + "# edited here alone\n")
    try:
        refused(scene, "pair.toml differs between dallas and boston", "switchover")
    finally:
        file.write_text(kept)


def test_clocks_an_hour_apart_are_told_before_anything_is_done(scene: Scene) -> None:
    allowed = scene.world.boston.path(f"{HOME}/.ssh/authorized_keys")
    kept = allowed.read_text()
    allowed.write_text(kept.replace('command="failover peer"', FAST_CLOCK))
    assert allowed.read_text() != kept
    try:
        refused(scene, "name servers refuse signatures that are more than 300 s old or early", "switchover")
    finally:
        allowed.write_text(kept)


def test_of_two_commands_at_once_on_one_machine_one_is_done_and_the_other_says_so(scene: Scene) -> None:
    done: list[Finished] = []
    threads = [
        threading.Thread(target=lambda: done.append(failover(scene.dallas, "switchover")), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = {one.returncode: one for one in done}
    assert sorted(codes) == [1, 5], [one.stdout + one.stderr for one in done]
    assert "Already running: failover switchover on dallas" in codes[1].stderr
    for trunk in TRUNKS:
        scene.world.carrier.await_holder(trunk, ["dallas"])


def test_a_large_zone_is_taken_over_within_the_deadline_of_the_step(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """Boston's BIND has the zone again, and dies with it."""
    assert answered(scene.world.boston, "switchover").returncode == 5
    names_agree(scene.world, scene.world.boston, name_servers(scene.world))
    scene.boston_dies()
    done = scene.promote()
    assert done.returncode == 5, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("dns "))
    assert " ok " in line, line
    assert "late:" not in line
    with capsys.disabled():
        print(f"\n  {RECORDS} records: {line}")


def test_a_journal_cut_in_the_middle_of_a_line_goes_on_from_the_line_before(scene: Scene) -> None:
    assert failover(scene.dallas, "demote").returncode == 0
    assert killed(scene.dallas, ["promote", *WORD], Point("after", 6))
    file = max(scene.dallas.path("/var/lib/hotstandby/journal").iterdir())
    data = file.read_bytes()
    file.write_bytes(data[:-20])
    scene.is_whole()
    assert file.read_bytes().count(b"\n") > data.count(b"\n")


def test_a_demotion_that_was_cut_short_in_its_telling_is_no_promotion(scene: Scene) -> None:
    assert killed(scene.dallas, ["demote"], Point("after", 1))
    done = failover(scene.dallas, "promote", "--abort")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing was taken back" in done.stdout + done.stderr
    assert failover(scene.dallas, "is-primary").returncode == 1
    assert role_on_disk(scene.dallas) == "standby"
    scene.is_whole()


def test_a_disk_that_takes_nothing_keeps_nobody_from_demoting(scene: Scene) -> None:
    """Read-only as well as full: a demotion removes a file of its own, and its journal would have that room."""
    scene.is_whole()
    with full_disk(scene.dallas, "/var/lib/hotstandby"):
        assert scene.dallas.run(["mount", "-o", "remount,ro", "/var/lib/hotstandby"]).returncode == 0
        done = failover(scene.dallas, "demote")
        assert done.returncode in (0, 5), done.stdout + done.stderr
        assert "not written down" in done.stderr
        assert role_on_disk(scene.dallas) == "standby"
        assert failover(scene.dallas, "is-primary").returncode == 1
    scene.is_whole()
