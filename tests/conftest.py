"""In which order tests run."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with real servers first: they mostly wait, and the others fill the gaps."""
    items.sort(key=lambda item: item.get_closest_marker("world") is None)
