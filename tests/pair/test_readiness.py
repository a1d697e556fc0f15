"""What `failover ready` came to, kept for others."""

from __future__ import annotations

from pathlib import Path

from host.places import Places
from pair.readiness import Readiness, note_readiness, read_readiness


def test_what_ready_came_to_is_kept_and_a_broken_file_is_nothing(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    assert read_readiness(places) is None
    note_readiness(places, 5, ("fence", "clock"), 1_800_000_000.0)
    assert read_readiness(places) == Readiness(at=1_800_000_000.0, exit=5, names=("fence", "clock"))
    (tmp_path / "ready.json").write_text("{")
    assert read_readiness(places) is None


def test_what_a_newer_version_says_more_is_passed_over_and_names_are_made_harmless(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    (tmp_path / "ready.json").write_text('{"at": 1, "exit": 1, "names": ["a\\u001b[2J"], "depth": "all"}')
    found = read_readiness(places)
    assert found is not None
    assert "\x1b" not in found.names[0]


def test_where_it_cannot_be_kept_nothing_is_raised(tmp_path: Path) -> None:
    nowhere = Places(tmp_path, tmp_path, tmp_path / "absent" / "deeper")
    note_readiness(nowhere, 0, (), 1.0)
    assert read_readiness(nowhere) is None
