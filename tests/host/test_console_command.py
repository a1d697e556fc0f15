from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from host.console_command import INTERRUPTED, ConsoleGroup
from host.errors import HotstandbyError, UnsafeError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (HotstandbyError("The disk is full."), 1, "The disk is full.\n"),
        (UsageError("No such key: a\x1b[2J"), 2, "No such key: a\\x1b[2J\n"),
        (UnsafeError("The peer serves."), 3, "REFUSED: The peer serves.\n"),
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
    assert (done.exit_code, done.stderr, done.stdout) == (code, told, "")
