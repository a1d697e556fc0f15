from __future__ import annotations

import atexit
import gc

import pytest

from host.collector import make_collection_rare


def test_a_command_collects_rarely_and_not_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    at_end: list[object] = []
    monkeypatch.setattr(atexit, "register", at_end.append)
    before = gc.get_threshold()
    try:
        make_collection_rare()
        assert gc.get_threshold()[0] >= 100 * 700
        assert gc.isenabled(), "a command that waits for an hour still collects"
        assert at_end == [gc.freeze]
    finally:
        gc.set_threshold(*before)
