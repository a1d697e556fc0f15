"""The wheel holds what ships and nothing else, and its commands run from an empty environment."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = {"agi", "ami_watcher", "failover", "host", "localized", "pair", "templates"}
"""Top-level packages that an admin installs; lab, bench and tests stay here."""


BROUGHT_ALONG = {"_typeshed", "pydantic_core", "urllib3"}
"""For the type checker alone; by pydantic; by requests."""


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


def test_what_it_imports_it_requires(wheel: Path) -> None:
    """Of an import that nothing requires nobody hears here, where the tests' own environment has it."""
    ours = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    imported = set()
    for name in subprocess.run(["git", "ls-files", *SHIPPED], cwd=ROOT, capture_output=True, text=True).stdout.split():
        if name.endswith(".py") and (ROOT / name).exists():
            for node in ast.walk(ast.parse((ROOT / name).read_bytes())):
                if isinstance(node, ast.Import):
                    imported |= {one.name.split(".")[0] for one in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add(str(node.module).split(".")[0])
    theirs = imported - ours - set(sys.stdlib_module_names)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in setup["options"]["install_requires"].split()}
    provided = packages_distributions()
    missing = {
        name
        for name in theirs
        if not {canonical(one) for one in provided.get(name, ())} & set(map(canonical, required))
    }
    assert missing == BROUGHT_ALONG


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_command_runs_where_nothing_of_the_checkout_is_on_the_path(wheel: Path, tmp_path: Path) -> None:
    """What it requires lies beside it; tests/world/deploy/test_installed.py installs that as well."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # What is named in a .pth file is on the path, and its own .pth files, of which one leads here, are not read.
    (packages / "required.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    argv = ["pip", "--python", str(environment / "bin/python"), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", *argv, "--disable-pip-version-check"], check=True)
    require_commands(environment)


def require_commands(environment: Path) -> None:
    """Every command of the distribution says how it is used, from the files in this environment."""
    for command in _commands():
        done = subprocess.run(
            [str(environment / "bin" / command), "--help"], cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-1000:]}"
        assert command in done.stdout
    where = subprocess.run(
        [str(environment / "bin/python"), "-c", "import pair; print(pair.__file__)"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert where.startswith(str(environment))
