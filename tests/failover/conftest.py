"""Both machines of a pair, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.two_machines import TwoMachines, two_machines


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoMachines]:
    """boston and dallas, both standby; never do both register one account."""
    with two_machines(tmp_path, monkeypatch) as made:
        yield made
        assert made.violations == []
