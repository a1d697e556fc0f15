"""Clocks that a journal can rely on."""

from __future__ import annotations

import re
import time

from host.clock import boot_id, boottime


def test_boottime_never_runs_behind_the_monotonic_clock() -> None:
    before = time.monotonic()
    assert boottime() >= before
    assert boottime() <= boottime()


def test_the_boot_id_is_one_uuid_and_stays() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", boot_id())
    assert boot_id() == boot_id()
