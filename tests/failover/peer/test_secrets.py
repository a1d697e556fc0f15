"""Both machines' secrets, compared without being told; and which passwords a carrier was seen to take."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from failover.context import Context
from failover.peer.secrets import SecretsComparison, answered, compare_secrets, question
from failover.plan.planning import taken_passwords
from failover.probe_result import ProbeAnswer
from failover.state import proven_secrets
from host.command import run
from host.places import Places
from pair.secret import secret_files
from tests.pair.example import example

PAIR = example()


def machine(directory: Path, name: str, **changed: str | None) -> Context:
    """A machine with all its secrets, each holding its own name but where that is changed; None: it is not there."""
    places = Places(directory / name / "etc", directory / name / "lib", directory / name / "run")
    for made in (places.secrets, places.state, places.run):
        made.mkdir(parents=True)
    for file in secret_files(PAIR, name).values():
        text = changed.get(file.replace(".", "_"), f"the secret of {file}")
        if text is not None:
            descriptor = os.open(places.secrets / file, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(descriptor, text.encode())
            os.close(descriptor)
    return Context(places, PAIR, name)


def compared(context: Context, there: Context) -> SecretsComparison:
    asked, unread = question(context)
    return compare_secrets(asked, unread, answered(there, asked))


def test_equal_secrets_are_equal_and_one_that_was_changed_on_one_machine_is_named(tmp_path: Path) -> None:
    boston, dallas = machine(tmp_path, "boston"), machine(tmp_path / "2", "dallas")
    same = compared(dallas, boston)
    assert (same.differ, same.unread) == ((), ())
    assert "trunks.acme.secret_file" in same.same
    other = machine(tmp_path / "3", "dallas", acme="another password")
    assert compared(other, boston).grave == ("trunks.acme.secret_file",)
    assert compared(boston, other).grave == ("trunks.acme.secret_file",)
    missing = machine(tmp_path / "4", "dallas", acme=None)
    assert compared(missing, boston).unread == ("trunks.acme.secret_file",)
    assert compared(boston, missing).unread == ("trunks.acme.secret_file",)


def test_an_account_of_each_machines_own_is_not_compared(tmp_path: Path) -> None:
    asked, _ = question(machine(tmp_path, "boston"))
    assert "trunks.own.secret_file" not in asked.digests


def test_neither_question_nor_answer_holds_a_secret_and_no_two_questions_are_alike(tmp_path: Path) -> None:
    boston, dallas = machine(tmp_path, "boston"), machine(tmp_path / "2", "dallas", acme="another password")
    first, second = question(dallas)[0], question(dallas)[0]
    assert first.key != second.key
    assert not set(first.digests.values()) & set(second.digests.values())
    said = answered(boston, first).model_dump_json()
    for context in (boston, dallas):
        for path in context.places.secrets.iterdir():
            assert path.read_text() not in first.model_dump_json() + said
    # Whoever holds the peer's key learns what differs, and gets nothing to guess by at leisure.
    assert not [digest for digest in first.digests.values() if digest in said]


def test_a_password_has_proved_nothing_once_it_is_another_one(tmp_path: Path) -> None:
    dallas = machine(tmp_path, "dallas")
    assert proven_secrets.last(dallas.places, PAIR, "dallas") == {}
    proven_secrets.note(dallas.places, PAIR, "dallas", ["acme"], 1000.0)
    assert proven_secrets.last(dallas.places, PAIR, "dallas") == {"acme": 1000.0}
    kept = dallas.places.state / proven_secrets.FILE
    assert kept.stat().st_mode & 0o077 == 0
    assert "the secret of" not in kept.read_text()
    (dallas.places.secrets / "acme").write_text("another password")
    assert proven_secrets.last(dallas.places, PAIR, "dallas") == {}


def test_a_plan_says_which_passwords_no_carrier_was_seen_to_take_from_here(tmp_path: Path) -> None:
    dallas = machine(tmp_path, "dallas")
    found = taken_passwords(dallas)
    assert (found.answer, found.words) == (
        ProbeAnswer.UNKNOWN,
        "no carrier was seen to take, from here, the present password of acme",
    )
    proven_secrets.note(dallas.places, PAIR, "dallas", ["acme"], time.time() - 9 * 86400)
    found = taken_passwords(dallas)
    assert found.answer is ProbeAnswer.YES
    assert found.words.endswith("the oldest 9 days ago")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1, "trunks": {}}', '{"key": "", "trunks": {"acme": 3}}'])
def test_a_broken_note_of_what_was_proven_is_none(tmp_path: Path, text: str) -> None:
    dallas = machine(tmp_path, "dallas")
    (dallas.places.state / proven_secrets.FILE).write_text(text)
    assert proven_secrets.last(dallas.places, PAIR, "dallas") == {}
    proven_secrets.note(dallas.places, PAIR, "dallas", ["acme"], 7.0)
    assert proven_secrets.last(dallas.places, PAIR, "dallas") == {"acme": 7.0}


@pytest.mark.parametrize("reads", [True, False])
def test_a_long_question_is_written_as_fast_as_it_is_read_or_not_at_all(reads: bool) -> None:
    program = "import sys; print(len(sys.stdin.read()))" if reads else "print(0)"
    given = json.dumps(["x"] * 200_000).encode()
    done = run([sys.executable, "-c", program], deadline_s=20, input=given, most_bytes=1000)
    assert done.stdout.strip() == (str(len(given)) if reads else "0")
