"""agi-server from a shell."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from agi.command import main
from agi.install import launcher
from host.places import Places
from tests.agi.served import BIN, Site, make_site, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("shell"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("served"), scripts={}) as found:
        yield found


@dataclass
class Ended:
    """A command that ran."""

    returncode: int
    stdout: str
    stderr: str


def agi_server(site: Site, *argv: str) -> Ended:
    """The command in this process, with its own environment, streams and log handlers."""
    out, errors = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    handlers, environ = root.handlers[:], dict(os.environ)
    root.handlers.clear()
    os.environ.update(site.env)
    try:
        with redirect_stdout(out), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
            main(list(argv), prog_name="agi-server")
    finally:
        root.handlers[:] = handlers
        os.environ.clear()
        os.environ.update(environ)
    assert isinstance(ended.value.code, int)
    return Ended(ended.value.code, out.getvalue(), errors.getvalue())


def test_try_prints_the_dialogue(site: Site) -> None:
    done = agi_server(site, "try", "hello", "5551212", "--caller", "15551234567")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("<- GET FULL VARIABLE ")
    assert '<- SET VARIABLE "CALLER" "15551234567"' in lines
    assert "-> 200 result=1" in lines
    assert "   LOOKUP_STATUS = FOUND" in lines


def test_try_as_json(site: Site) -> None:
    done = agi_server(site, "try", "ask", "--set", "GIVEN=1", "--json")

    said = json.loads(done.stdout)
    assert said["ended_well"]
    assert said["variables"]["BACK"] == "1)"
    assert said["variables"]["GIVEN"] == "1"
    assert said["dialogue"][-1]["reply"] == "200 result=1"


def test_try_can_be_forged_as_a_call_can(site: Site) -> None:
    done = agi_server(site, "try", "hello", "--caller", "555\nagi_extension: 911", "--json")

    assert json.loads(done.stdout)["variables"]["LOOKUP_STATUS"] == "TAMPERED"


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["try", "nowhere"], 1, "There is no script 'nowhere'"),
        (["try", "broken"], 1, "SyntaxError in line 1"),
        (["try", "crash"], 1, "RuntimeError"),
        (["try", "slow", "9"], 1, "slow FAILED after 1"),
        (["try", "hello", "--set", "x"], 2, "NAME=VALUE"),
        (["try"], 2, "SCRIPT"),
        (["install", "nowhere"], 1, "There is no script"),
        (["--config", "x"], 2, "No such option"),
        (["check", "--config", "/nowhere"], 1, "/nowhere/pair.toml cannot be read"),
    ],
)
def test_what_goes_wrong_is_said_without_a_traceback_of_ours(site: Site, argv: list[str], code: int, said: str) -> None:
    done = agi_server(site, *argv)

    assert done.returncode == code, done.stdout + done.stderr
    assert any(word in done.stderr + done.stdout for word in said.split("|"))
    assert "Traceback" not in done.stderr or argv[1:2] == ["crash"]  # the script's own, for its author


def test_check_names_what_is_broken_and_what_to_type(site: Site) -> None:
    done = agi_server(site, "check")

    assert done.returncode == 1
    assert "hello: ready" in done.stdout
    assert "broken: BROKEN: SyntaxError in line 1" in done.stdout
    assert "DOES NOT ANSWER" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("systemctl reload agi-server")


def test_check_is_content_with_a_server_that_answers(running: Site) -> None:
    done = agi_server(running, "check", "--json")

    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["handover"] is True
    assert agi_server(running, "check").stdout.splitlines()[-1] == "Nothing to do."


def test_install_says_what_it_did_and_does_it_once(site: Site, tmp_path: Path) -> None:
    first = agi_server(site, "install", "hello", "--agi-bin", str(tmp_path))
    second = agi_server(site, "install", "hello", "--agi-bin", str(tmp_path), "--json")

    assert first.stdout.splitlines() == [f"{tmp_path}/hello.py: installed", "In the dialplan: same => n,AGI(hello.py)"]
    assert json.loads(second.stdout) == {"launchers": [{"path": f"{tmp_path}/hello.py", "changed": False}]}
    assert os.access(tmp_path / "hello.py", os.X_OK)


def test_install_leaves_other_peoples_files_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("#!/usr/bin/python3\nprint('mine')\n")

    done = agi_server(site, "install", "hello", "--agi-bin", str(tmp_path))

    assert done.returncode == 2
    assert "is not a launcher of ours" in done.stderr
    assert "mine" in (tmp_path / "hello.py").read_text()


def test_an_older_launcher_of_ours_is_renewed(site: Site, tmp_path: Path) -> None:
    old = launcher(Places(Path("/old"), Path("/old"), Path("/old")))
    (tmp_path / "hello.py").write_bytes(old)

    done = agi_server(site, "install", "hello", "--agi-bin", str(tmp_path))

    assert "hello.py: installed" in done.stdout
    assert (tmp_path / "hello.py").read_bytes() != old


@pytest.mark.parametrize("path", ["/run/it's \\ here", "/run/ünï", "/a\nb"])
def test_a_launcher_is_a_program_whatever_the_directories_are_called(path: str) -> None:
    text = launcher(Places(Path(path), Path(path), Path(path)), python="/opt/x y/python").decode()
    namespace: dict[str, object] = {"__name__": "launcher"}

    exec(compile(text, "launcher", "exec"), namespace)

    assert namespace["SOCKET"] == f"{path}/agi/agi.sock"
    assert namespace["ALONE"] == ["/opt/x y/python", "-I", "-m", "agi", "--config", path]


@pytest.mark.parametrize("command", ["run", "try", "check", "install"])
def test_help_has_an_example(site: Site, command: str) -> None:
    done = agi_server(site, command, "--help")

    assert done.returncode == 0
    assert f"Example: agi-server {command}" in done.stdout


def test_the_command_is_installed(site: Site) -> None:
    done = subprocess.run([BIN / "agi-server", "--help"], env=site.env, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0
    assert "Example: agi-server try" in done.stdout


def test_check_without_a_server_says_that_calls_go_on(tmp_path: Path) -> None:
    done = agi_server(make_site(tmp_path, scripts={}), "check")

    assert done.returncode == 1
    assert "Calls run without it" in done.stdout


def test_install_without_a_name_takes_all_scripts(site: Site, tmp_path: Path) -> None:
    done = agi_server(site, "install", "--agi-bin", str(tmp_path))

    assert done.returncode == 0
    assert {"lookup.py", "hello.py"} <= {path.name for path in tmp_path.iterdir()}


def test_install_says_when_it_may_not_write(site: Site, tmp_path: Path) -> None:
    done = agi_server(site, "install", "hello", "--agi-bin", str(tmp_path / "missing"))

    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_a_bad_pair_toml_serves_its_last_valid_one_with_a_warning(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    assert agi_server(site, "check").returncode == 1
    (tmp_path / "config/pair.toml").write_text("[")
    done = agi_server(site, "check")

    assert "WARNING: " in done.stderr or "pair.toml" in done.stderr
