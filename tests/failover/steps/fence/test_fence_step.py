"""The fence step and the boot guard on a disk of their own: the admin's programs, a person's word, and what fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from failover.context import Context
from failover.demotion import boot_guard
from failover.demotion.boot_guard import NotGuarded
from failover.errors import Refused
from failover.peer.messages import PeerStatus
from failover.peer.remote import PeerEvidence
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.state import claim, fenced, local_state, right
from failover.steps.fence.program import untrusted
from failover.steps.fence.step import FenceStep
from host.lock import Lock
from host.places import Places
from localized.generations.store import GenerationStore
from localized.role import Role
from pair import parse
from tests.failover.peer.test_messages import status
from tests.pair.example import EXAMPLE

BARE = EXAMPLE[: EXAMPLE.index("[dns]")] + EXAMPLE[EXAMPLE.index("[domino") :]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """dallas, without ssh to boston, without [dns]."""
    places = Places(tmp_path / "etc", tmp_path / "lib", tmp_path / "run")
    for directory in (places.localized, places.secrets, places.state, places.run):
        directory.mkdir(parents=True)
    places.machine_file.write_text("dallas\n")
    return Context(places, parse(BARE.encode(), places.pair_toml), "dallas")


def with_fence(context: Context, tmp_path: Path, *, verify: str, command: str = 'touch "$0.off"') -> Context:
    programs = {}
    for name, text in (("cut", command), ("proof", verify)):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        programs[name] = str(path)
    section = f"""
[fence]
command = ["{programs["cut"]}", "off"]
verify = ["{programs["proof"]}"]
command_deadline_s = 1
verify_deadline_s = 1
"""
    return replace(context, pair=parse((BARE + section).encode(), context.places.pair_toml))


def done(step: FenceStep) -> str:
    if not step.check():
        step.apply()
    return step.verify()


def test_the_admins_program_cuts_the_peer_off_and_its_proof_counts(context: Context, tmp_path: Path) -> None:
    fenced_here = with_fence(
        context, tmp_path, verify=f'test -e "{tmp_path}/cut.off" && echo "$HOTSTANDBY_PEER is off"'
    )
    step = FenceStep(fenced_here, 7)
    assert step.check() is False
    assert "boston is off" in done(step)
    assert step.check() is True  # doing it twice is doing it once


@pytest.mark.parametrize(
    ("command", "verify", "words"),
    [
        ("exit 3", "exit 1", "ended with 3"),
        ("exit 0", "exit 1", "ended with 1"),
        ("sleep 30", "exit 1", "did not end within 1 s"),
        ("exit 0", "sleep 30", "did not end within 1 s"),
    ],
)
def test_without_its_proof_nothing_is_fenced(
    context: Context, tmp_path: Path, command: str, verify: str, words: str
) -> None:
    step = FenceStep(with_fence(context, tmp_path, verify=verify, command=command), 7)
    with pytest.raises(Refused, match="boston is not proven down") as refused:
        done(step)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_program_that_others_may_write_neither_cuts_off_nor_proves(context: Context, tmp_path: Path) -> None:
    open_here = with_fence(context, tmp_path, verify="exit 0", command='touch "$0.off"')
    for name in ("cut", "proof"):
        (tmp_path / name).chmod(0o757)
    with pytest.raises(Refused) as refused:
        done(FenceStep(open_here, 7))
    for name in ("cut", "proof"):
        assert f"chmod o-w {tmp_path / name}" in str(refused.value)
    assert not (tmp_path / "cut.off").exists()


def test_a_script_behind_its_interpreter_is_looked_at_as_well(tmp_path: Path) -> None:
    script = tmp_path / "cut.py"
    script.touch()
    assert untrusted(["sh", str(script), "/dev/null", "/nowhere"]) == ""
    script.chmod(0o666)
    assert f"chmod o-w {script}" in untrusted(["sh", str(script)])


def test_a_persons_word_counts_where_nothing_else_does(context: Context) -> None:
    with pytest.raises(Refused, match="no key"):
        done(FenceStep(context, 7))
    words = done(FenceStep(context, 7, word="no power\x1b[2J in its rack"))
    assert "a person's word: no power\\x1b[2J in its rack" in words


def seen(found: PeerStatus | None, answer: ProbeAnswer = ProbeAnswer.SILENT) -> PeerEvidence:
    return PeerEvidence(ProbeResult("ssh", "boston", "status", answer, "boston's ssh hung for 5 s", 5.0), found)


def test_what_was_seen_a_moment_ago_is_not_asked_again_where_it_was_silence(context: Context) -> None:
    words = done(FenceStep(context, 7, word="it is down", seen=seen(None)))
    assert "ssh hung for 5 s" in words  # not "there is no key", which asking anew would say


def test_a_claim_is_noted_before_the_first_look(context: Context) -> None:
    with Lock(context.places.run / claim.LOCK, "a test"):
        FenceStep(context, 7).check()
        assert claim.claimed_epoch(context.places) == 7


GENERATION = "generations/{number}-{role}-0123456789ab"


def lay(context: Context, number: int, role: str, *, active: bool = False) -> None:
    path = context.places.localized / GENERATION.format(number=number, role=role)
    path.mkdir(parents=True)
    if active:
        (context.places.localized / ("current-dns" if role.startswith("dns") else "current")).symlink_to(
            GENERATION.format(number=number, role=role)
        )


def test_a_machine_that_was_primary_starts_as_standby_and_may_start_asterisk(context: Context) -> None:
    lay(context, 1, "primary", active=True)
    lay(context, 2, "standby")
    right.grant(context.places, "dallas", 3, "before")
    verdict = boot_guard.guard(context)
    assert not verdict.primary
    assert "its peer does not answer" in verdict.why
    found = local_state.read_state(context.places, "dallas")
    assert (found.role, found.right.held, found.fenced) == ("standby", False, "")


def test_it_gives_up_the_zone_as_well(context: Context) -> None:
    lay(context, 1, "standby", active=True)
    lay(context, 2, "dns-primary", active=True)
    lay(context, 3, "dns-secondary")
    boot_guard.guard(context)
    assert local_state.dns_role_of(context.places) == "secondary"


def test_without_standby_files_it_stays_fenced(context: Context) -> None:
    lay(context, 1, "primary", active=True)
    with pytest.raises(NotGuarded, match="stays fenced"):
        boot_guard.guard(context)
    assert fenced.read_fence(context.places) is not None
    assert not local_state.read_state(context.places, "dallas").is_primary


def test_a_machine_on_which_nothing_was_activated_yet_is_not_fenced(context: Context) -> None:
    boot_guard.guard(context)
    assert fenced.read_fence(context.places) is None


@pytest.mark.parametrize("peer", [None, status(machine="boston", role="primary", right_held=True, is_primary=True)])
def test_the_guard_never_swaps_to_primary_on_its_own(context: Context, peer: PeerStatus | None) -> None:
    assert boot_guard.decide("dallas", (), peer).primary is False
    assert GenerationStore(context.places).pointed_to(Role.PRIMARY.link) is None
