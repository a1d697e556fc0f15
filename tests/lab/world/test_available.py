"""Why there is no world here, in one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import available
from lab.world.world import _no_namespaces


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    _no_namespaces.cache_clear()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    yield
    _no_namespaces.cache_clear()


def test_it_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "needs root" in str(available())


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool, **_: None if tool == "nft" else f"/usr/sbin/{tool}")
    assert available() == "'nft' is missing: apt-get install nftables"


def test_a_container_that_forbids_namespaces_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")
    monkeypatch.setattr("shutil.which", lambda tool, **_: f"/usr/sbin/{tool}")
    reason = str(available())
    assert reason.endswith("unshare: unshare failed: Operation not permitted")
    assert "\n" not in reason


def test_a_root_that_is_not_built_says_what_builds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOTSTANDBY_ROOTS", str(tmp_path))
    if (elsewhere := available()) is not None:
        pytest.skip(elsewhere)
    assert str(available("16")).endswith("-m lab roots")
