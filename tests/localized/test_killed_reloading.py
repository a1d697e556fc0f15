"""SIGKILL between the swap, each reload and the proof: the same command sees that Asterisk has not read everything.

So does the command of the other role, whatever was reloaded before the kill.

Points are every change of a file, every program that is started, every connection and every message to Asterisk.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from host.places import Places
from lab.fakes.asterisk import FakeAsterisk, FakeRegistrar, ForkedAsterisk, forked_asterisk
from localized.generations.lock import directory_lock
from tests.localized import kernel
from tests.localized.forked import run, run_watched
from tests.localized.hardened import ALONE, KEPT_SECRETS, PRIMARY, STANDBY, environment, hold, machine
from tests.localized.sound import look, sound, summary

KINDS = {"rename", "unlink", "sync", "connect", "send"}


@pytest.fixture
def asterisk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkedAsterisk]:
    hold(monkeypatch)
    control = tmp_path / "control"
    control.mkdir()
    fake = FakeAsterisk("boston", "16", tmp_path / "machine" / "asterisk", FakeRegistrar(), control=control)
    with forked_asterisk(fake, control) as running:
        yield running


def unread(asterisk: ForkedAsterisk, places: Places) -> list[str]:
    """Files of the active generation that Asterisk has read otherwise than they are now, but for the number on top."""
    active = places.localized / "current" / "asterisk"
    return [
        name
        for files in asterisk.read().values()
        for name, text in files.items()
        if text.splitlines()[1:] != (active / name).read_text().splitlines()[1:]
    ]


SAMPLE: Final = 5
"""Points that are killed at where there is little time."""
EVERYWHERE: Final = pytest.mark.world


@pytest.mark.parametrize(
    ("before", "arguments", "swapped", "then", "at_most"),
    [
        pytest.param(STANDBY, PRIMARY, False, STANDBY, SAMPLE, id="to primary, and then back: a sample"),
        pytest.param(STANDBY, PRIMARY, False, PRIMARY, None, id="standby to primary", marks=EVERYWHERE),
        pytest.param(PRIMARY, STANDBY, False, STANDBY, None, id="primary to standby", marks=EVERYWHERE),
        pytest.param(STANDBY, PRIMARY, True, PRIMARY, None, id="swapped by a run that was killed", marks=EVERYWHERE),
        pytest.param(STANDBY, PRIMARY, False, STANDBY, None, id="to primary, and then back", marks=EVERYWHERE),
    ],
)
def test_killed_between_swap_and_proof_the_next_command_has_asterisk_read_everything(
    asterisk: ForkedAsterisk,
    tmp_path: Path,
    before: Sequence[str],
    arguments: Sequence[str],
    swapped: bool,
    then: Sequence[str],
    at_most: int | None,
) -> None:
    here, kept = tmp_path / "machine", tmp_path / "as it was"
    places = machine(here, (), f'command = "{asterisk.command}"\nami.port = {asterisk.port}\n')
    env = environment(places)
    assert run(places, (*before, ALONE), env=env).returncode == 0
    asterisk.start_anew()
    done = run(places, before, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(here, kept, symlinks=True)
    if swapped:
        assert run(places, (*arguments, ALONE), env=env).returncode == 0
    undisturbed = run_watched(places, arguments, env=env, outward=True)
    assert undisturbed.returncode == 0, undisturbed.stdout + undisturbed.stderr
    assert unread(asterisk, places) == []

    # What is rendered before the swap is test_killed's: of that, the points that Asterisk may have noticed.
    changes = undisturbed.changes
    swap = next(index for index, change in enumerate(changes) if change.what.endswith("localized-loaded.json"))
    every = [point for point in kernel.points(changes) if point.number > swap]
    assert len(every) >= 20
    points = kernel.spread(every, at_most)
    assert {change.kind for change in changes} >= KINDS | ({"utime"} if swapped else {"symlink"})
    killed_at, behind, seen = 0, 0, set()
    for point in points:
        shutil.rmtree(here)
        shutil.copytree(kept, here, symlinks=True)
        asterisk.start_anew()
        if swapped:
            assert run(places, (*arguments, ALONE), env=env).returncode == 0
        try:
            killed = run_watched(places, arguments, kill_at=point, env=env, outward=True)
            if killed.returncode == 0 and len(killed.changes) < point.number:
                # Reloads go on beside the proof, so that lists may be read once more or less.
                continue
            assert killed.returncode == -signal.SIGKILL
            killed_at += 1
            now = look(here)
            sound(now, KEPT_SECRETS)
            behind += bool(unread(asterisk, places))
            left = (frozenset(summary(now).items()), str(asterisk.read()))
            if left in seen:
                # A message that was not sent leaves no trace: once is enough from here.
                continue
            seen.add(left)
            with directory_lock(places, "a test", wait_s=30.0):
                # A child of the killed one, between its fork and its exec, holds the lock for a moment longer.
                pass
            again = run(places, then, env=env)
            assert again.returncode == 0, again.stdout + again.stderr
            assert unread(asterisk, places) == []
        except AssertionError as error:
            error.add_note(f"killed {point}: {changes[point.number - 1]}")
            raise
    # Had Asterisk always been ahead of the kill, nothing would have been shown.
    assert behind > (10 if at_most is None else 1)
    assert killed_at >= 0.8 * len(points)
    print(f"killed at {killed_at} of {len(every)} points, {behind} of them before all was read; {len(seen)} states")
