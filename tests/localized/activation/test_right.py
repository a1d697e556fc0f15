"""What a primary must hold: the right that failover gave, or a person's word that is written down."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from host.clock import boot_id, boottime
from host.places import Places
from localized.activation.right import give_word, log_word, prove
from localized.errors import NoRight
from pair.right import Right, right_file, withdraw_word


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
