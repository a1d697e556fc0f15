"""Where no real server can be had the demo still shows `render-localized`, and says what is played."""

from __future__ import annotations

import pytest

from lab import demo_standin


def test_the_demo_with_standins_moves_every_account(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_standin.main() == 0
    told = capsys.readouterr().out
    assert told.startswith("STAND-INS:")
    first, _, second = told.partition("boston loses its power")
    assert "acme, metro, nova: held by boston" in first
    assert "acme, metro, nova: held by dallas" in second
