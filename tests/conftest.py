"""How tests run: in which order, which share a worker under `--dist loadscope`, which count for coverage; unhurried."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

FRESH: Final = os.environ.get("HOTSTANDBY_EXAMPLES") == "fresh"
"""Whether properties are tried on other examples in each run, as in `make soak`; else what passed passes again."""

# How long an example takes says what else the machine does: hypothesis would call a slow one a failure, or bad data.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not FRESH
)
settings.load_profile("unhurried")

LONGEST: Final = (
    "localized/test_silent_carrier.py",
    "localized/test_activate.py",
    "failover/switchover/test_cutover.py",
    "ami_watcher/test_registrations.py",
    "failover/promotion/test_missing_one.py",
    "failover/switchover/test_unknown_fence.py",
)
"""Files of tests/world that take minutes: whoever began them last would be waited for."""

REPETITIVE: Final = (
    "failover/promotion/test_killed.py",
    "failover/promotion/test_two_at_once.py",
    "fuzz/test_readers.py",
    "localized/test_killed.py",
    "localized/test_killed_reloading.py",
)
"""Files whose tests go the same ways some hundred times, as properties do: counting lines there would double what they
take, and what they reach is to be covered by tests that say what they are about."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with real servers first, the longest of them before the others: they mostly wait, the rest fills gaps."""
    tests = Path(__file__).parent
    order = {tests / "world" / name: place for place, name in enumerate(LONGEST)}
    repetitive = {tests / name for name in REPETITIVE}
    if missing := [str(path) for path in (*order, *repetitive) if not path.exists()]:
        raise pytest.UsageError(f"tests/conftest.py names what is not there: {', '.join(missing)}")
    for item in items:
        if item.path in repetitive or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")
    items.sort(key=lambda item: (item.get_closest_marker("world") is None, order.get(item.path, len(order))))


def shares_a_worker(nodeid: str) -> str:
    """What a test is kept together with: a world's file, or what one release of Asterisk has of it, as each opens a
    world of its own; of all other tests the rows of one function."""
    file, _, test = nodeid.partition("::")
    if not file.startswith("tests/world/"):
        return nodeid.partition("[")[0]
    release = re.search(r"\[(16|22)[-\]]", test)
    return f"{file} {release[1]}" if release else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Spreads tests by `shares_a_worker`. Groups by mark do not survive pytest 9."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):  # type: ignore[misc] # it has no types
        def _split_scope(self, nodeid: str) -> str:
            return shares_a_worker(nodeid)

    return Together(config, log)
