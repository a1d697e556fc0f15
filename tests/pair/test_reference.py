"""docs/reference/pair.md is what the code reads, and explains every key."""

from __future__ import annotations

from pathlib import Path

from pair.reference import page

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_page_is_made_from_the_code_that_reads_the_file() -> None:
    shown = (DOCS / "pair.md").read_text(encoding="utf-8")
    assert shown == page(), "run: python -m pair.reference > docs/reference/pair.md"


def test_no_key_is_left_unexplained() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []
