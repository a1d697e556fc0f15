"""Tests in a real browser run with those that need real servers.

Without one they are skipped with a reason, or fail where the real world is required.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, program


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One Chromium for the tests of a module."""
    if program() is None:
        reason = "Chromium is not installed: lab/prepare browser"
        if os.environ.get("HOTSTANDBY_WORLD") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with Chromium() as opened:
        yield opened
