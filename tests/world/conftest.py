"""Real servers for tests, and what happens where they cannot be had: a skip that says why, or a failure.

HOTSTANDBY_WORLD=required turns the skips into failures. Of the two Asterisks one is enough then, since Debian's suites
move: the tests of the one that cannot be built are skipped by name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from lab import RELEASES, Release, World, available


class Worlds(Protocol):
    """Opens a world that is closed when the module's tests are done; takes what World takes."""

    def __call__(self, boston: Release = "16", dallas: Release = "22", **options: Any) -> World: ...


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test marked `world`, or fails it, where no world can be had at all."""
    if item.get_closest_marker("world") is None:
        return
    reason = available()
    if reason is None and all(available(release) for release in RELEASES):
        reason = f"neither Asterisk is here: {available(RELEASES[0])}"
    if reason is not None:
        cannot(reason)


def cannot(reason: str) -> None:
    """Skips the test with the reason, or fails it where the real world is required."""
    if os.environ.get("HOTSTANDBY_WORLD") == "required":
        pytest.fail(f"the real world is required here, and cannot be had: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    """A function that opens worlds for this module's tests; a world whose Asterisk is missing skips the test."""
    with ExitStack() as opened:

        def open_one(boston: Release = "16", dallas: Release = "22", **options: Any) -> World:
            reason = available()
            if reason is not None:
                cannot(reason)
            for release in (boston, dallas):
                if (missing := available(release)) is not None:
                    pytest.skip(missing)
            return opened.enter_context(World(boston=boston, dallas=dallas, **options))

        yield open_one


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> Release:
    """Both Asterisks, one after the other: the module's tests run with each."""
    chosen: Release = request.param
    if (missing := available(chosen)) is not None:
        if all(available(other) for other in RELEASES):
            cannot(missing)
        pytest.skip(missing)
    return chosen


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    """A world in which boston and dallas both have `release`."""
    return worlds(boston=release, dallas=release)
