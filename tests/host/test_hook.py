"""The admin's hooks run in order, and one that fails stops nobody."""

from __future__ import annotations

from pathlib import Path

from host.hook import run_parts


def _program(directory: Path, name: str, body: str, mode: int = 0o755) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)


def test_every_executable_runs_in_order_of_its_name(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("20-second", "10-first.sh", "30-third"):
        _program(hooks, name, f'echo "{name} $HOTSTANDBY_EVENT" >> {out}')
    _program(hooks, "15-not-executable", f"echo no >> {out}", mode=0o644)
    _program(hooks, "40-backup~", f"echo no >> {out}")
    _program(hooks, ".hidden", f"echo no >> {out}")
    ran = run_parts(hooks, env={"HOTSTANDBY_EVENT": "promoted"}, deadline_s=30)
    assert [run.path.name for run in ran] == ["10-first.sh", "20-second", "30-third"]
    assert all(run.succeeded for run in ran)
    assert out.read_text().splitlines() == ["10-first.sh promoted", "20-second promoted", "30-third promoted"]


def test_a_failing_and_a_late_hook_are_told_and_the_next_still_runs(tmp_path: Path) -> None:
    _program(tmp_path, "1-fails", "echo first >&2; echo 'why it failed' >&2; exit 7")
    _program(tmp_path, "2-late", "sleep 60")
    _program(tmp_path, "3-fine", "exit 0")
    (tmp_path / "4-broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "4-broken").chmod(0o755)
    fails, late, fine, broken = run_parts(tmp_path, env={}, deadline_s=0.5)
    assert (fails.returncode, fails.said) == (7, "why it failed")
    assert late.returncode is None
    assert "did not end within" in late.said
    assert fine.succeeded
    assert not broken.succeeded


def test_a_missing_directory_is_no_hooks(tmp_path: Path) -> None:
    assert run_parts(tmp_path / "none", env={}, deadline_s=30) == []
