"""What our commands print is UTF-8, whatever the locale and whatever bytes came in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = (b"J\xf6rg", "Jörg".encode())
LOCALES = ({"LC_ALL": "C"}, {"PYTHONUTF8": "1", "PYTHONIOENCODING": "latin-1"}, {"PYTHONUTF8": "1"})


COMMANDS = ("failover", "render-localized", "ami-watcher", "agi-server")


def environment(locale: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))} | locale


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", NAMES)
def test_a_byte_that_was_no_utf_8_is_printed_as_its_escape(name: bytes, locale: dict[str, str]) -> None:
    program = (
        "import json, sys; from host.terminal import in_utf8; in_utf8(); name = {!r}; "
        "print(json.dumps([name], ensure_ascii=False)); print(name, file=sys.stderr)"
    )
    text = name.decode("utf-8", "surrogateescape")
    done = subprocess.run(
        [sys.executable, "-c", program.format(text)],
        env=environment(locale),
        capture_output=True,
        timeout=60,
        check=True,
    )
    shown = text.replace("\udcf6", "\\udcf6")
    assert done.stdout.decode("utf-8") == f'["{shown}"]\n'
    assert done.stderr.decode("utf-8") == f"{shown}\n"


@pytest.mark.parametrize("locale", LOCALES[1:])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_ours_speaks_utf_8(command: str, locale: dict[str, str]) -> None:
    """A word that it does not know stands in its answer."""
    argv = [os.fsencode(Path(sys.executable).with_name(command)), "--Jörg".encode()]
    done = subprocess.run(argv, env=environment(locale), capture_output=True, timeout=60, check=False)
    assert "Jörg" in done.stderr.decode("utf-8")
    assert done.returncode == 2
