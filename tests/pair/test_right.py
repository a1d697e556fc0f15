"""Who may be primary: a right of this machine, this boot, not yet ended; or a person's word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from host.places import Places
from pair.public_role import LARGEST
from pair.right import (
    Invalid,
    InvalidRight,
    Right,
    current_right,
    read_right,
    right_file,
    why_invalid,
    withdraw_word,
    word_file,
    write_right,
)

BOOT = "11111111-2222-3333-4444-555555555555"
HELD = Right("boston", 7, BOOT, None, "promotion 7")
WORD = Right("boston", 0, BOOT, None, "a person's word: it burns")


@pytest.mark.parametrize(
    ("right", "invalid"),
    [
        (HELD, None),
        (replace(HELD, deadline_boottime=110.0), None),
        (replace(HELD, deadline_boottime=100.0), (Invalid.ENDED, "it ended 0 s ago")),  # at its deadline it is over
        (replace(HELD, deadline_boottime=88.0), (Invalid.ENDED, "it ended 12 s ago")),
        (replace(HELD, deadline_boottime=float("nan")), (Invalid.ENDED, "it ended nan s ago")),
        (replace(HELD, machine="dallas"), (Invalid.OTHER_MACHINE, "it is dallas's, not boston's")),
        (replace(HELD, boot_id="another"), (Invalid.EARLIER_BOOT, "it is of an earlier boot of this machine")),
    ],
)
def test_a_right_holds_for_its_machine_its_boot_and_its_time(right: Right, invalid: tuple[Invalid, str] | None) -> None:
    assert why_invalid(right, machine="boston", boot=BOOT, now=100.0) == invalid


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "config", tmp_path / "state", tmp_path / "run")


def test_a_right_reads_back_as_it_was_written(places: Places) -> None:
    for right in (HELD, replace(HELD, deadline_boottime=110.5)):
        write_right(right_file(places), right)
        assert read_right(right_file(places)) == right


def test_the_right_of_a_promotion_goes_before_a_persons_word(places: Places) -> None:
    write_right(word_file(places), WORD)
    found = current_right(places, "boston", boot=BOOT, now=100.0)
    assert (found.right, found.epoch, found.invalid) == (WORD, 0, ())
    write_right(right_file(places), HELD)
    found = current_right(places, "boston", boot=BOOT, now=100.0)
    assert (found.right, found.epoch, found.invalid) == (HELD, 7, ())


def test_a_word_holds_beside_a_right_that_does_not(places: Places) -> None:
    write_right(right_file(places), replace(HELD, boot_id="another"))
    write_right(word_file(places), WORD)
    found = current_right(places, "boston", boot=BOOT, now=100.0)
    assert found.right == WORD
    assert found.epoch == 0
    assert [(one.path, one.reason) for one in found.invalid] == [(right_file(places), Invalid.EARLIER_BOOT)]


def test_a_number_that_nobody_is_ever_given_is_not_believed(places: Places) -> None:
    write_right(right_file(places), replace(HELD, epoch=LARGEST + 1))
    assert current_right(places, "boston", boot=BOOT, now=100.0).epoch == 0


def test_without_a_file_nothing_is_held_and_nothing_is_wrong(places: Places) -> None:
    found = current_right(places, "boston", boot=BOOT, now=100.0)
    assert (found.right, found.epoch, found.invalid) == (None, 0, ())
    withdraw_word(places)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"machine": "boston"}', '"x"'])
def test_what_cannot_be_read_is_no_right(places: Places, text: str) -> None:
    places.run.mkdir(parents=True)
    right_file(places).write_text(text)
    found = current_right(places, "boston", boot=BOOT, now=100.0)
    words = f"{right_file(places)} does not hold a right"
    assert found.invalid == (InvalidRight(right_file(places), Invalid.UNREADABLE, words),)
    assert found.right is None


def test_a_directory_in_its_place_is_told(places: Places) -> None:
    right_file(places).mkdir(parents=True)
    found = current_right(places, "boston", boot=BOOT, now=100.0)
    assert [one.reason for one in found.invalid] == [Invalid.UNREADABLE]
    assert "cannot be read" in found.invalid[0].words


def test_a_word_is_withdrawn(places: Places) -> None:
    write_right(word_file(places), WORD)
    withdraw_word(places)
    assert current_right(places, "boston", boot=BOOT, now=100.0).right is None
