"""The wheel is installed with all that it requires, from where pip gets packages, into an empty environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_wheel import require_commands, wheel

__all__ = ["wheel"]

pytestmark = pytest.mark.world


def test_every_command_runs_from_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin/python")
    argv = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)]
    subprocess.run(argv, check=True, timeout=600)
    require_commands(environment)
