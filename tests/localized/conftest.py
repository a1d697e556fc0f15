"""Tests of this room fsync a lot: their files lie in memory where that is possible."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory of the test's own, as pytest's, but on a tmpfs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="hotstandby-", dir=memory if memory.is_dir() else None) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)
