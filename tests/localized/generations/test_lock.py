"""One process at a time; who holds it goes on, others wait, or hear who it is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from host.lock import LockHeld
from host.places import Places
from localized.generations import lock as module
from localized.generations.lock import directory_lock, directory_lock_best_effort


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "config", tmp_path / "state", tmp_path / "run")


def test_whoever_holds_it_goes_on(places: Places) -> None:
    with directory_lock(places, "outer"), directory_lock(places, "inner"):
        pass
    with directory_lock(places, "again"):
        pass


def test_another_one_is_told_who_it_is_or_waits(places: Places) -> None:
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        with directory_lock(places, "promoting"):
            held.set()
            release.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    with pytest.raises(LockHeld, match=f"promoting \\(process {os.getpid()}"), directory_lock(places, "rendering"):
        pass
    threading.Timer(0.2, release.set).start()
    with directory_lock(places, "rendering", wait_s=10):
        assert release.is_set()
    other.join()


def test_giving_up_waits_a_while_and_goes_on_and_taking_does_not(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LATE_S", 0.1)
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        with directory_lock(places, "promoting"):
            held.set()
            release.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    with directory_lock_best_effort(places, "giving the zone up", must=False):
        pass
    with pytest.raises(LockHeld), directory_lock_best_effort(places, "taking the zone over", must=True):
        pass
    release.set()
    other.join()
    with directory_lock_best_effort(places, "giving the zone up", must=False), directory_lock(places, "again"):
        pass  # it holds the lock where nobody else does
