"""Looking itself: what a machine, its BIND, its Asterisk and its journals say becomes facts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from failover.context import Context
from failover.facts import gather
from failover.facts.facts import Depth, KeyAnswer, OpenRun
from failover.facts.gather_plan import files_of
from failover.facts.key_answers import ask_keys
from failover.facts.newest_run import newest_run, open_run, waiting
from failover.facts.own_bind import read_named, read_zone_obstacle, served_ttls
from failover.facts.proof_parts import read_proof_parts
from failover.facts.shared_facts import UNKNOWN, certificates, facts, time_zone, tree_digest
from failover.journal import journal
from failover.journal.entry import EntryKind
from failover.overview.read_overview import read_overview
from failover.probes.evidence import gather_evidence
from failover.steps.proof.call import MODULES
from localized.checks.problem import ConfigProblem, Severity
from localized.generations.store import GenerationStore
from localized.role import Role
from pair import Pair
from tests.failover.standby import Standby, standby


@pytest.fixture(scope="module")
def shared() -> Iterator[Standby]:
    with standby() as made:
        yield made


@pytest.fixture
def machine(shared: Standby) -> Iterator[Standby]:
    words = dict(shared.asterisk.words)
    yield shared
    shared.asterisk.words = words


def with_pair(context: Context, **changed: object) -> Context:
    """The same machine, of a pair of which some sections are others."""
    raw = {**context.pair.model_dump(by_alias=True, exclude_unset=True), **changed}
    return replace(context, pair=Pair.model_validate({key: value for key, value in raw.items() if value is not None}))


# Journals


@contextlib.contextmanager
def run(context: Context, *entries: tuple[EntryKind, str]) -> Iterator[Path]:
    """A run's journal, until the end."""
    directory = journal.directory(context.places)
    written = journal.create(directory, "promote", machine=context.machine, epoch=8)
    for kind, step in entries:
        written.append(kind, step, "words")
    written.close()
    (file,) = [one.path for one in journal.files(directory)]
    yield file
    file.unlink()


def test_a_machine_without_journals_has_no_run(machine: Standby) -> None:
    assert newest_run(machine.context) is None
    assert open_run(machine.context) is None
    assert waiting(machine.context) == {}


def test_an_open_run_is_one_whether_it_touched_anything_or_not(machine: Standby) -> None:
    with run(machine.context, (EntryKind.OPENED, "")):
        assert open_run(machine.context) == OpenRun("promote", 1, touched=False)
    with run(machine.context, (EntryKind.OPENED, ""), (EntryKind.BEGUN, "fence"), (EntryKind.OPEN, "dns")):
        assert open_run(machine.context) == OpenRun("promote", 1, touched=True)
        assert waiting(machine.context) == {"dns": "words"}
        ready = machine.run("ready")
        assert ready.exit_code == 1
        assert "promote 1 is not complete" in ready.stdout
        assert machine.run("plan", "promote").exception is not None


def test_a_damaged_journal_is_told_and_hides_nothing_else(machine: Standby) -> None:
    with run(machine.context, (EntryKind.OPENED, ""), (EntryKind.CLOSED, "")) as file:
        file.write_bytes(file.read_bytes().replace(b"words", b"sword"))
        assert open_run(machine.context) == OpenRun("promote", 1, damaged=True)
        assert waiting(machine.context) == {}
        assert "The journal of promote 1 is damaged" in machine.run("check").stdout.replace("\n" + " " * 22, " ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", None),
        ("promote 12", OpenRun("promote", 12)),
        ("switchover 3, damaged", OpenRun("switchover", 3, damaged=True)),
        ("promote x", OpenRun("promote", 0)),
    ],
)
def test_what_a_status_says_of_an_open_run_is_read_back(words: str, expected: OpenRun | None) -> None:
    assert OpenRun.from_words(words) == expected
    if expected is not None and expected.number:
        assert str(expected) == words


# Files


def test_problems_are_sorted_by_what_they_stop(machine: Standby) -> None:
    newest = GenerationStore(machine.places).newest(Role.PRIMARY)
    problems = tuple(ConfigProblem(severity, severity.value) for severity in Severity)
    found = files_of(machine.context, newest, problems, failure="it cannot be rendered")
    assert (found.blockers, found.errors, found.warnings) == (
        ("stops", "it cannot be rendered"),
        ("error",),
        ("warning",),
    )
    assert found.of_this_pair
    assert files_of(machine.context, None, ()).generation == ""


def test_a_generation_whose_manifest_is_gone_is_of_no_pair(machine: Standby) -> None:
    newest = GenerationStore(machine.places).newest(Role.PRIMARY)
    assert newest is not None
    manifest = newest.path / "manifest.json"
    kept = manifest.read_bytes()
    manifest.write_bytes(b"no JSON")
    try:
        assert not files_of(machine.context, newest, ()).of_this_pair
    finally:
        manifest.write_bytes(kept)


# BIND and the key


def test_each_server_says_whether_it_knows_our_key(machine: Standby) -> None:
    context = machine.context
    assert set(ask_keys(context).values()) == {KeyAnswer.TAKEN}
    key = machine.places.secrets / "tsig.key"
    kept = key.read_text()
    try:
        key.write_text(kept.replace("bm90", "AAAA"))
        assert set(ask_keys(context).values()) == {KeyAnswer.OTHER_SECRET}
        key.write_text(kept.replace('key "failover"', 'key "another"'))
        assert set(ask_keys(context).values()) == {KeyAnswer.UNKNOWN_KEY}
        key.write_text("no key")
        assert ask_keys(context) == {}
        algorithm, problem = gather.tsig(context)
        assert algorithm == ""
        assert problem
    finally:
        key.write_text(kept)
    assert gather.tsig(context) == ("hmac-sha256", "")
    assert ask_keys(with_pair(context, dns=None)) == {}
    assert gather.tsig(with_pair(context, dns=None)) == ("", "")


def test_a_bind_that_does_not_run_says_why_and_hides_nothing_else(machine: Standby) -> None:
    running = read_named(machine.context)
    assert running is not None
    assert (running.running_type, running.views, running.unread) == ("secondary", "", "")
    assert running.block is not None
    assert served_ttls(machine.context) == {"pbx": 30}
    machine.servers["dallas"].stop()
    try:
        stopped = read_named(machine.context)
        assert stopped is not None
        assert stopped.running_type == ""
        assert stopped.running_words
        assert read_zone_obstacle(machine.context)
        done = machine.run("check")
        assert done.exit_code == 1
        assert "The running named does not serve acme.example" in done.stdout or "named" in done.stdout
    finally:
        machine.servers["dallas"].start()
        machine.servers["dallas"].wait_for("pbx.acme.example", "A", "192.0.2.11")


def test_a_named_conf_that_cannot_be_read_is_said(machine: Standby) -> None:
    conf = machine.servers["dallas"].directory / "named.conf"
    kept = conf.read_text()
    try:
        conf.write_text("zone {")
        found = read_named(machine.context)
        assert found is not None
        assert found.unread
        assert found.block is None
    finally:
        conf.write_text(kept)


def test_a_pair_without_dns_has_nothing_to_look_at(machine: Standby) -> None:
    alone = with_pair(machine.context, dns=None)
    assert read_named(alone) is None
    assert read_zone_obstacle(alone) == ""
    assert served_ttls(alone) == {}
    assert read_overview(alone).names == ()
    assert gather_evidence(alone).servers == ()


# Asterisk


PROOF = {"trunk": "acme", "number": "+16175550142"}


def test_the_parts_of_a_proof_are_those_that_asterisk_has_loaded(machine: Standby) -> None:
    proving = with_pair(machine.context, proof=PROOF)
    assert read_proof_parts(machine.context) is None
    machine.asterisk.words |= {f"module show like {module}.so": f"{module}.so  Running\n" for module in MODULES[:-1]}
    machine.asterisk.words[f"module show like {MODULES[-1]}.so"] = "0 modules loaded\n"
    machine.asterisk.words["dialplan show"] = (
        "[ Context 'hotstandby-proof' created by 'pbx_config' ]\n"
        "  '_X.' =>          1. Gosub(hotstandby-proof,s,1)         [extensions.conf:25]\n"
    )
    found = read_proof_parts(proving)
    assert found is not None
    assert (found.context, found.called, found.missing, found.unseen) == (True, True, (MODULES[-1],), "")
    machine.asterisk.kill()
    try:
        dead = read_proof_parts(proving)
        assert dead is not None
        assert dead.unseen
    finally:
        machine.asterisk.boot()


def test_what_the_manager_refuses_is_said_and_what_is_down_is_another_rule(machine: Standby) -> None:
    files = gather.asterisk_files(machine.context)
    assert files.manager_refused == ""
    assert files.manager_user is not None
    assert files.swapped_types == ("registration",)
    secret = machine.places.secrets / "ami"
    kept = secret.read_text()
    try:
        secret.write_text("another")
        assert gather.asterisk_files(machine.context).manager_refused
    finally:
        secret.write_text(kept)
    (machine.places.config.parent / "asterisk" / "manager.conf").rename(machine.places.config / "aside")
    try:
        without = gather.asterisk_files(machine.context)
        assert (without.manager_user, without.manager_general) == (None, None)
    finally:
        (machine.places.config / "aside").rename(machine.places.config.parent / "asterisk" / "manager.conf")


# The machine


def test_what_others_may_write_is_told(machine: Standby) -> None:
    program = machine.places.config / "cut-off"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    machine.places.localized.chmod(0o777)
    try:
        fenced = with_pair(machine.context, fence={"command": [str(program)], "verify": [str(program)]})
        said = " ".join(gather.writable(fenced))
        assert str(program) in said
        assert str(machine.places.localized) in said
    finally:
        program.unlink()
        machine.places.localized.chmod(0o755)


def test_a_disk_that_is_not_there_has_no_room(machine: Standby, tmp_path: Path) -> None:
    assert gather.free_bytes(machine.context) > 0
    nowhere = replace(machine.context, places=replace(machine.places, state=tmp_path / "a" / "b"))
    assert gather.free_bytes(nowhere) == 0


def test_a_machine_without_systemd_says_so() -> None:
    found = gather.guards()
    assert found.systemd is Path("/run/systemd/system").is_dir()


def test_a_domino_that_is_not_there_is_looked_at_and_told(machine: Standby) -> None:
    sites = {"sites": {"domino-local": {"boston": "127.0.0.2", "dallas": "127.0.0.3"}}}
    found = gather.gather_ready(with_pair(machine.context, domino=sites))
    assert found.depth is Depth.READY
    assert [one.good for one in found.domino] == [False]


# What should be the same


def test_what_cannot_be_had_is_unknown_and_hides_no_other(machine: Standby) -> None:
    machine.asterisk.kill()
    try:
        found = facts(machine.context)
    finally:
        machine.asterisk.boot()
    assert found["asterisk version"].startswith(UNKNOWN)
    assert found["module"].startswith(UNKNOWN)
    assert found["pair.toml"] == machine.context.pair.digest[:12]


def test_the_time_zone_is_named_as_debian_does(tmp_path: Path) -> None:
    assert time_zone(tmp_path).startswith("not set (")
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Zurich")
    assert time_zone(tmp_path).startswith("Europe/Zurich (")
    (tmp_path / "timezone").write_text("Etc/UTC\n")
    assert time_zone(tmp_path).startswith("Etc/UTC (")


def test_a_tree_is_told_by_names_and_sizes(tmp_path: Path) -> None:
    assert tree_digest(tmp_path / "none") == "none"
    (tmp_path / "a").write_bytes(b"1")
    one = tree_digest(tmp_path)
    (tmp_path / "a").write_bytes(b"2")
    assert tree_digest(tmp_path) == one  # contents are for the sync to compare
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    assert tree_digest(tmp_path).startswith("2 files, ")


def test_what_is_no_certificate_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    assert certificates(tmp_path) == {}
