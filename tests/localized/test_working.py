"""One process at a time; who holds it goes on, others wait, or hear who it is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from host.lock import LockHeld
from host.places import Places
from localized.working import working


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "config", tmp_path / "state", tmp_path / "run")


def test_whoever_holds_it_goes_on(places: Places) -> None:
    with working(places, "outer"), working(places, "inner"):
        pass
    with working(places, "again"):
        pass


def test_another_one_is_told_who_it_is_or_waits(places: Places) -> None:
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        with working(places, "promoting"):
            held.set()
            release.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    with pytest.raises(LockHeld, match=f"promoting \\(process {os.getpid()}"), working(places, "rendering"):
        pass
    threading.Timer(0.2, release.set).start()
    with working(places, "rendering", wait_s=10):
        assert release.is_set()
    other.join()
