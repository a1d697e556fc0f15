"""SIGKILL at every single thing that a run does to the disk: what is active is whole, and the same command succeeds.

Points are those that the kernel tells (kernel.py): before each system call that changes something, and in the middle
of each write; a sample of them where there is little time, every one where the real world is tested. What Asterisk
makes of it is in test_killed_reloading.py.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.localized import kernel
from tests.localized.forked import run_here, run_watched
from tests.localized.hardened import ALONE, KEPT_SECRETS, PRIMARY, STANDBY, environment, hold, machine
from tests.localized.sound import LOCALIZED, Look, Summary, look, sound, summary


@dataclass(frozen=True, slots=True)
class Case:
    """A command, and what came before it.

    Attributes:
        before: as hardened.machine takes it.
        arguments: of the command that is killed.
        points: at least so many there are, or the injector no longer sees what it should.
        kinds: what is among them.
    """

    before: Sequence[Sequence[str] | int]
    arguments: Sequence[str]
    points: int
    kinds: frozenset[str]


STANDBY_ALONE: Final = (*STANDBY, ALONE)
PRIMARY_ALONE: Final = (*PRIMARY, ALONE)
WRITTEN: Final = frozenset({"open", "chmod", "write", "sync", "mkdir", "rename"})
SWAPPED: Final = frozenset({"symlink", "rename", "unlink", "sync"})
CASES: Final[Mapping[str, Case]] = {
    "standby rendered on a bare machine": Case((), ("--role", "standby"), 250, WRITTEN),
    "primary on a bare machine": Case((), PRIMARY_ALONE, 270, WRITTEN | SWAPPED),
    "standby to primary": Case((STANDBY_ALONE,), PRIMARY_ALONE, 25, SWAPPED),
    "primary to standby": Case((PRIMARY_ALONE,), STANDBY_ALONE, 15, SWAPPED),
    "standby anew, older ones pruned": Case(
        (STANDBY_ALONE, 301, PRIMARY_ALONE, 302, STANDBY_ALONE, 303),
        STANDBY_ALONE,
        240,
        WRITTEN | SWAPPED | {"rmdir"},
    ),
    "rolled back": Case(
        (STANDBY_ALONE, PRIMARY_ALONE, STANDBY_ALONE), ("--rollback", ALONE, "--peer-is-down", "test"), 25, SWAPPED
    ),
}


@pytest.fixture(autouse=True)
def held_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    hold(monkeypatch)


def differences(found: Summary, wanted: Summary) -> list[str]:
    return [
        f"{name}: {found.get(name)} instead of {wanted.get(name)}"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]


def active_links(found: Look) -> list[bytes | None]:
    both = (found.get(f"{LOCALIZED}/{link}") for link in ("current", "current-dns"))
    return [link.data if link is not None else None for link in both]


SAMPLE: Final = 7
"""Points of each case that are killed at where there is little time."""


@pytest.mark.parametrize("at_most", [SAMPLE, pytest.param(None, marks=pytest.mark.world)], ids=["sample", "everywhere"])
@pytest.mark.parametrize("name", CASES)
def test_killed_anywhere_what_is_active_is_whole_and_the_same_command_succeeds(
    name: str, at_most: int | None, tmp_path: Path
) -> None:
    case, here, kept = CASES[name], tmp_path / "machine", tmp_path / "as it was"
    places = machine(here, case.before)
    env = environment(places)
    shutil.copytree(here, kept, symlinks=True)
    before = look(here)
    undisturbed = run_watched(places, case.arguments, env=env)
    assert undisturbed.returncode == 0, undisturbed.stderr
    after = look(here)
    sound(after, KEPT_SECRETS)
    wanted = summary(after)

    every = list(kernel.points(undisturbed.changes))
    assert len(every) >= case.points
    points = kernel.spread(every, at_most)
    assert case.kinds <= {change.kind for change in undisturbed.changes}
    seen = set()
    killed_at = 0
    for point in points:
        shutil.rmtree(here)
        shutil.copytree(kept, here, symlinks=True)
        try:
            killed = run_watched(places, case.arguments, kill_at=point, env=env)
            if killed.returncode == 0 and len(killed.changes) < point.number:
                # Of two files written in the same tick of the clock, one is given another mtime: a change more or less.
                continue
            assert killed.returncode == -signal.SIGKILL
            killed_at += 1
            now = look(here)
            sound(now, KEPT_SECRETS)
            for link, *allowed in zip(active_links(now), active_links(before), active_links(after), strict=True):
                assert link in allowed
            left = frozenset(summary(now).items())
            # What an fsync was about to make durable looks alike before and after it: once is enough from here.
            if left not in seen:
                seen.add(left)
                again = run_here(places, case.arguments, env=env)
                assert again.returncode == 0, again.stderr
                found = look(here)
                assert differences(summary(found), wanted) == []
                sound(found, KEPT_SECRETS)
        except AssertionError as error:
            error.add_note(f"killed {point}: {undisturbed.changes[point.number - 1]}")
            raise
    assert killed_at >= len(points) - 3, f"killed at {killed_at} of {len(points)} points"
    assert len(seen) >= min(3, len(points))
    print(f"{name}: killed at {killed_at} of {len(every)} points, which left {len(seen)} different states")
