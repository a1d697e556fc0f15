"""A command loads what it needs and no more: a promotion waits for three of them over ssh, and callers wait for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import pytest

from failover.command import Subcommands, documented
from tests.pair.example import EXAMPLE

HEAVY: Final = frozenset({"requests", "urllib3", "jinja2", "rich", "dns", "asyncio", "panoramisk", "pydantic"})

GROUP: Final = Subcommands()

RUN: Final = """
import json, os, sys
sys.argv = json.loads(sys.argv[1])
room = {"failover": "failover.command", "ami-watcher": "ami_watcher.command"}[sys.argv[0]]
from importlib import import_module
try:
    import_module(room).main()
except SystemExit:
    pass
finally:
    os.write(2, b"\\nLOADED " + json.dumps(sorted(sys.modules)).encode())
"""


def loaded(code: str, arguments: str, environment: Mapping[str, str]) -> frozenset[str]:
    """Top-level packages in a process of its own, when it has done its work."""
    done = subprocess.run(
        [sys.executable, "-c", code, arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    names = json.loads(done.stderr.rpartition("LOADED ")[2])
    return frozenset(name.partition(".")[0] for name in names)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """The environment of dallas, on a disk of its own."""
    for name in ("etc/localized", "lib", "run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc" / "pair.toml").write_text(EXAMPLE)
    (tmp_path / "etc" / "localized" / "machine").write_text("dallas\n")
    return {
        "HOTSTANDBY_CONFIG": str(tmp_path / "etc"),
        "HOTSTANDBY_STATE": str(tmp_path / "lib"),
        "HOTSTANDBY_RUN": str(tmp_path / "run"),
    }


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["failover", "is-primary"], frozenset()),
        (["failover", "run-if-primary", "--", "true"], frozenset()),
        (["failover", "peer"], {"asyncio", "panoramisk", "pydantic"}),  # it looks at its Asterisk
        (["ami-watcher", "check"], frozenset()),
    ],
)
def test_what_runs_often_loads_little(places: dict[str, str], argv: list[str], needed: frozenset[str]) -> None:
    found = loaded(RUN, json.dumps(argv), places | {"SSH_ORIGINAL_COMMAND": "status"})
    assert "click" in found
    assert found & HEAVY <= needed


def test_the_list_of_the_subcommands_loads_none_of_them(places: dict[str, str]) -> None:
    assert not loaded(RUN, json.dumps(["failover", "--help"]), places) & HEAVY


@pytest.mark.parametrize("name", GROUP.list_commands(click.Context(GROUP)))
def test_the_list_says_of_each_subcommand_what_its_own_help_says(name: str) -> None:
    command = GROUP.get_command(click.Context(GROUP), name)
    assert command is not None
    listed = click.Command(name, help=documented(name))
    assert len(listed.get_short_help_str(500)) > 10
    assert listed.get_short_help_str(500) == command.get_short_help_str(500)


def test_a_promotion_asks_the_peer_before_it_loads_what_its_steps_need() -> None:
    code = (
        'import failover.commands.promote, json, sys; print("LOADED", json.dumps(sorted(sys.modules)), file=sys.stderr)'
    )
    found = loaded(code, "", {})
    assert "failover" in found
    assert not found & (HEAVY - {"pydantic"})
