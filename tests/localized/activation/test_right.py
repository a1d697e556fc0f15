"""Who may be primary: a right of this machine, this boot, not yet ended; or a person's word."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from host.clock import boot_id, boottime
from host.places import Places
from localized.activation.right import Right, give_word, log_word, prove, right_file, why_not, withdraw_word
from localized.errors import NoRight

BOOT = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("right", "refused"),
    [
        (Right("boston", 7, BOOT, 110.0, "lease"), None),
        (Right("boston", 7, BOOT, None, "lease"), None),
        (Right("boston", 7, BOOT, 100.0, "lease"), "it ended 0 s ago"),  # at its deadline it is over
        (Right("boston", 7, BOOT, 88.0, "lease"), "it ended 12 s ago"),
        (Right("dallas", 7, BOOT, None, "lease"), "it is dallas's, not boston's"),
        (Right("boston", 7, "another boot", None, "lease"), "it is of an earlier boot of this machine"),
    ],
)
def test_a_right_holds_for_its_machine_its_boot_and_its_time(right: Right, refused: str | None) -> None:
    assert why_not(right, machine="boston", boot=BOOT, now=100.0) == refused


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "config", tmp_path / "state", tmp_path / "run")


def put(places: Places, text: str) -> None:
    places.run.mkdir(parents=True)
    right_file(places).write_text(text)


def test_a_right_on_disk_is_proof(places: Places) -> None:
    put(places, json.dumps(asdict(Right("boston", 3, boot_id(), boottime() + 60, "promotion 3"))))
    assert prove(places, "boston") == "promotion 3"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"machine": "boston"}', json.dumps(asdict(Right("boston", 3, boot_id(), 1.0, "old")))],
)
def test_what_is_no_right_is_refused_with_the_evidence_and_what_to_type(places: Places, text: str) -> None:
    put(places, text)
    with pytest.raises(NoRight) as refusal:
        prove(places, "boston")
    assert "REFUSED: boston" in str(refusal.value)
    assert str(right_file(places)) in str(refusal.value)
    assert "--peer-is-down" in str(refusal.value)
    assert refusal.value.exit_code == 3


def test_a_persons_word_is_a_right_until_it_is_withdrawn_and_is_written_down(places: Places) -> None:
    log_word(places, "boston", "Ann\nsaw it")
    give_word(places, "boston", "Ann\nsaw it")
    assert prove(places, "boston") == r"a person's word: Ann\nsaw it"
    with pytest.raises(NoRight):
        prove(places, "dallas")
    withdraw_word(places)
    with pytest.raises(NoRight):
        prove(places, "boston")
    logged = json.loads((places.state / "peer-is-down.log").read_text())
    assert logged["machine"] == "boston"
    assert logged["reason"] == r"Ann\nsaw it"
