"""Which role this machine has, and whether it may register: what failover and localized leave behind, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ami_watcher.registrations.role import may_not_register, role_now
from host.clock import boot_id, boottime
from host.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path / "config", tmp_path / "state", tmp_path / "run")
    made.localized.mkdir(parents=True)
    made.run.mkdir()
    return made


def active(places: Places, generation: str) -> None:
    (places.localized / "current").symlink_to(f"generations/{generation}")


def right(places: Places, name: str = "right.json", **differs: Any) -> None:
    found = {"machine": "boston", "epoch": 3, "boot_id": boot_id(), "deadline_boottime": None, "reason": "lease"}
    (places.run / name).write_text(json.dumps({**found, **differs}))


@pytest.mark.parametrize(
    ("generation", "role"),
    [("7-primary-0a1b", "primary"), ("8-standby-ffff", "standby"), ("0-empty", None), (None, None)],
)
def test_the_role_is_that_of_the_active_generation(places: Places, generation: str | None, role: str | None) -> None:
    if generation:
        active(places, generation)
    assert role_now(places) == role


@pytest.mark.parametrize("name", ["right.json", "peer-is-down.json"])
def test_a_primary_with_a_right_may_register(places: Places, name: str) -> None:
    active(places, "7-primary-0a1b")
    right(places, name)
    assert may_not_register(places, "boston") is None


def test_being_primary_proves_nothing(places: Places) -> None:
    active(places, "7-primary-0a1b")
    assert may_not_register(places, "boston") == "it holds no right to be primary"


def test_a_right_of_a_standby_is_not_used(places: Places) -> None:
    active(places, "8-standby-ffff")
    right(places)
    assert may_not_register(places, "boston") == "it is not primary"


@pytest.mark.parametrize(
    ("differs", "why"),
    [
        ({"machine": "dallas"}, "the right in right.json is another machine's"),
        ({"boot_id": "an-earlier-one"}, "the right in right.json is of an earlier boot"),
        ({"deadline_boottime": 1.0}, "the right in right.json has ended"),
        ({"deadline_boottime": "nan"}, "the right in right.json has ended"),
        ({"deadline_boottime": "soon"}, "right.json does not hold a right"),
        ({"deadline_boottime": []}, "right.json does not hold a right"),
    ],
)
def test_a_right_that_does_not_hold_is_none(places: Places, differs: dict[str, Any], why: str) -> None:
    active(places, "7-primary-0a1b")
    right(places, **differs)
    assert may_not_register(places, "boston") == why


def test_a_right_holds_until_its_deadline(places: Places) -> None:
    active(places, "7-primary-0a1b")
    right(places, deadline_boottime=boottime() + 60)
    assert may_not_register(places, "boston") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '"x"', "{"])
def test_what_cannot_be_read_is_no_right(places: Places, text: str) -> None:
    active(places, "7-primary-0a1b")
    (places.run / "right.json").write_text(text)
    assert may_not_register(places, "boston") == "right.json does not hold a right"
