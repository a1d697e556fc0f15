from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from host.console_command import INTERRUPTED, ConsoleCommand, ConsoleGroup, config_option
from host.errors import HotstandbyError, UnsafeError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (HotstandbyError("The disk is full."), 1, "The disk is full.\n"),
        (UsageError("No such key: a\x1b[2J"), 2, "No such key: a\\x1b[2J\n"),
        (UnsafeError("The peer serves."), 3, "REFUSED: The peer serves.\n"),
        (UnsafeError("REFUSED: the peer serves."), 3, "REFUSED: the peer serves.\n"),
        (PermissionError(13, "Permission denied", "/etc/x"), 1, "/etc/x may not be read or written by this user. Run"),
        (OSError(28, "No space left on device", "/var/x"), 1, "/var/x: No space left on device.\n"),
        (BrokenPipeError(32, "Broken pipe"), 1, "Broken pipe.\n"),  # of some socket: standard output is whole
        (KeyboardInterrupt(), INTERRUPTED, ""),
    ],
)
def test_what_went_wrong_on_purpose_is_one_message_and_a_code(error: BaseException, code: int, told: str) -> None:
    @click.group(cls=ConsoleGroup)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise error

    done = CliRunner().invoke(group, ["fail"])
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(told)
    assert bool(done.stderr) is bool(told)


def test_an_error_is_json_as_well_where_it_was_asked_for() -> None:
    @click.command(cls=ConsoleCommand)
    @click.option("--json", "as_json", is_flag=True)
    def fail(as_json: bool) -> None:
        raise UnsafeError(f"asked as JSON: {as_json}")

    done = CliRunner().invoke(fail, ["--json"])
    assert json.loads(done.stdout) == {"exit": 3, "error": "REFUSED: asked as JSON: True"}
    assert done.stderr == "REFUSED: asked as JSON: True\n"
    assert CliRunner().invoke(fail, []).stdout == ""


def test_whoever_reads_no_further_is_told_nothing() -> None:
    script = (
        "import click\n"
        "from host.console_command import ConsoleCommand\n"
        "@click.command(cls=ConsoleCommand)\n"
        "def much():\n"
        "    for _ in range(100_000): click.echo('a line')\n"
        "much()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        assert done.stdout.readline() == "a line\n"
        done.stdout.close()
        assert done.stderr.read() == ""
        assert done.wait(60) == 1


def test_a_file_is_no_directory_of_pair_toml(tmp_path: Path) -> None:
    @click.command(cls=ConsoleCommand)
    @config_option
    def look(config: Path | None) -> None:
        click.echo(config)

    (tmp_path / "pair.toml").touch()
    assert CliRunner().invoke(look, ["--config", str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(look, ["--config", str(tmp_path / "pair.toml")]).exit_code == 2
