"""SIGKILL at every single thing that a run does to the disk: what is active is whole, and the same command succeeds.

Points are those that the kernel tells (kernel.py): before each system call that changes something, and in the middle
of each write. The machine is a hardened one (umask 077).
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from host.places import Places
from lab.pair_toml import TSIG_KEY, TSIG_SECRET
from localized import prepare
from localized.render import render
from localized.role import Role
from tests.localized import kernel
from tests.localized.example import EXAMPLE, SECRETS, example, lay_out
from tests.localized.forked import run, run_here, run_watched
from tests.localized.sound import LOCALIZED, Look, Summary, look, sound, summary

PAIR: Final = (
    EXAMPLE
    + """
[dns]
zone = "acme.example"
ttl_s = 30
method = "update"
key_file = "tsig.key"
servers = { boston = "192.0.2.11", dallas = "192.0.2.12" }
[dns.follow]
pbx = { boston = "192.0.2.11", dallas = "192.0.2.12" }
"""
)
KEPT_SECRETS: Final = {"acme": "wJ7rQ2xPz9Lk", "metro": "Tg5vYb8nHd3C", "nova": "q1Mf6sXe0RuA", "ami": "Ko4iZp2wVt7B"}
OUTSIDE: Final = {"PATH": "/nowhere"}
"""No named-checkconf: it changes nothing, and takes its time."""

PRIMARY: Final = ("--role", "primary", "--activate", "--without-asterisk", "--peer-is-down", "test")
STANDBY: Final = ("--role", "standby", "--activate", "--without-asterisk")


@dataclass(frozen=True, slots=True)
class Case:
    """A command, and what came before it.

    Attributes:
        before: commands, and edits of pair.toml (an expiry in seconds) between them.
        arguments: of the command that is killed.
        points: at least so many there are, or the injector no longer sees what it should.
        kinds: what is among them.
    """

    before: Sequence[Sequence[str] | int]
    arguments: Sequence[str]
    points: int
    kinds: frozenset[str]


WRITTEN: Final = frozenset({"open", "chmod", "write", "sync", "mkdir", "rename"})
SWAPPED: Final = frozenset({"symlink", "rename", "unlink", "sync"})
CASES: Final[Mapping[str, Case]] = {
    "standby rendered on a bare machine": Case((), ("--role", "standby"), 250, WRITTEN),
    "primary on a bare machine": Case((), PRIMARY, 270, WRITTEN | SWAPPED),
    "standby to primary": Case((STANDBY,), PRIMARY, 25, SWAPPED),
    "primary to standby": Case((PRIMARY,), STANDBY, 15, SWAPPED),
    "standby anew, older ones pruned": Case(
        (STANDBY, 301, PRIMARY, 302, STANDBY, 303), STANDBY, 240, WRITTEN | SWAPPED | {"rmdir"}
    ),
    "rolled back": Case(
        (STANDBY, PRIMARY, STANDBY), ("--rollback", "--without-asterisk", "--peer-is-down", "t"), 25, SWAPPED
    ),
}


@pytest.fixture(autouse=True)
def held_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all runs share; a process that is forked from here has it."""
    if (reason := kernel.why_not()) is not None:
        pytest.skip(reason)
    # The zones' group comes with BIND, which need not be here.
    monkeypatch.setattr(prepare, "_named_group", lambda: "root")
    secrets = {**SECRETS, **KEPT_SECRETS, "tsig.key": TSIG_KEY}
    for role in Role:
        render(example(PAIR), "boston", role, secrets)


def machine_before(directory: Path, case: Case) -> Places:
    os.umask(0o022)
    places = lay_out(directory, PAIR)
    for name, secret in {**KEPT_SECRETS, "tsig.key": TSIG_KEY}.items():
        (places.secrets / name).write_text(secret)
        (places.secrets / name).chmod(0o600)
    (directory / "hosts").write_text("127.0.0.1 localhost\n")
    (directory / "tmp").mkdir()
    for one in case.before:
        if isinstance(one, int):
            text = places.pair_toml.read_text()
            at = text.index("expiry_s = ") + len("expiry_s = ")
            places.pair_toml.write_text(f"{text[:at]}{one}{text[at + 3 :]}")
        else:
            done = run(places, one, env=environment_of(places))
            assert done.returncode == 0, done.stdout + done.stderr
    return places


def environment_of(places: Places) -> dict[str, str]:
    return {**OUTSIDE, "TMPDIR": str(places.config.parent / "tmp")}


def differences(found: Summary, wanted: Summary) -> list[str]:
    return [
        f"{name}: {found.get(name)} instead of {wanted.get(name)}"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]


def active_links(found: Look) -> list[bytes | None]:
    both = (found.get(f"{LOCALIZED}/{link}") for link in ("current", "current-dns"))
    return [link.data if link is not None else None for link in both]


@pytest.mark.parametrize("name", CASES)
def test_killed_anywhere_what_is_active_is_whole_and_the_same_command_succeeds(name: str, tmp_path: Path) -> None:
    case, machine, kept = CASES[name], tmp_path / "machine", tmp_path / "as it was"
    places = machine_before(machine, case)
    env = environment_of(places)
    shutil.copytree(machine, kept, symlinks=True)
    secrets = (*KEPT_SECRETS.values(), TSIG_SECRET)
    before = look(machine)
    undisturbed = run_watched(places, case.arguments, env=env)
    assert undisturbed.returncode == 0, undisturbed.stderr
    after = look(machine)
    sound(after, secrets)
    wanted = summary(after)

    points = list(kernel.points(undisturbed.changes))
    assert len(points) >= case.points
    assert case.kinds <= {change.kind for change in undisturbed.changes}
    seen = set()
    for point in points:
        shutil.rmtree(machine)
        shutil.copytree(kept, machine, symlinks=True)
        try:
            killed = run_watched(places, case.arguments, kill_at=point, env=env)
            if killed.returncode == 0 and len(killed.changes) < point.number:
                # Of two files written in the same tick of the clock, one is given another mtime: a change more or less.
                continue
            assert killed.returncode == -signal.SIGKILL
            now = look(machine)
            sound(now, secrets)
            for link, *allowed in zip(active_links(now), active_links(before), active_links(after), strict=True):
                assert link in allowed
            left = frozenset(summary(now).items())
            # What an fsync was about to make durable looks alike before and after it: once is enough from here.
            if left not in seen:
                seen.add(left)
                again = run_here(places, case.arguments, env=env)
                assert again.returncode == 0, again.stderr
                found = look(machine)
                assert differences(summary(found), wanted) == []
                sound(found, secrets)
        except AssertionError as error:
            error.add_note(f"killed {point}: {undisturbed.changes[point.number - 1]}")
            raise
    print(f"{name}: killed at {len(points)} points, which left {len(seen)} different states")
