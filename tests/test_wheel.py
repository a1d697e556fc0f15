"""The wheel holds what ships and nothing else, and its commands run from an empty environment."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = {"agi", "ami_watcher", "failover", "host", "localized", "pair", "templates"}
"""Top-level packages that an admin installs; lab, bench and tests stay here."""


def _commands() -> list[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"]
    return [line.split("=")[0].strip() for line in scripts.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git tracks, so that files lying about cannot get into it."""
    source = tmp_path_factory.mktemp("source")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    archive = subprocess.run(
        ["tar", "--create", "--null", "--files-from=-", "--ignore-failed-read"],
        input=tracked, cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    subprocess.run(["tar", "--extract", "--directory", str(source)], input=archive.stdout, check=True)
    out = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-2000:]
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_holds_what_ships_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert top <= SHIPPED
    assert not [name for name in names if "/tests/" in name or name.endswith((".pyc", "~"))]


def test_every_tracked_file_of_a_shipped_package_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = {name.split("/")[0] for name in names if name.endswith("/__init__.py")}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    expected = {name for name in tracked if name.split("/")[0] in packages and (ROOT / name).exists()}
    assert expected - names == set()


def test_every_command_runs_from_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Nothing of this checkout is on its path."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)], check=True, timeout=300
    )
    for command in _commands():
        done = subprocess.run(
            [str(environment / "bin" / command), "--help"], cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-1000:]}"
        assert command in done.stdout
        where = subprocess.run(
            [str(python), "-c", "import pair; print(pair.__file__)"],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert where.startswith(str(environment))
