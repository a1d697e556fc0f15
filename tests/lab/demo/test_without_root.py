"""Where no real server can be had the demo still shows `render-localized`, and says what is played."""

from __future__ import annotations

import pytest

from lab.demo import without_root


def test_the_demo_with_standins_moves_every_account(capsys: pytest.CaptureFixture[str]) -> None:
    assert without_root.main() == 0
    told = capsys.readouterr().out
    assert told.startswith("FAKES:")
    first, _, second = told.partition("boston loses its power")
    assert "acme, metro, nova: held by boston" in first
    assert "acme, metro, nova: held by dallas" in second
