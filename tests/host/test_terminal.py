"""What our commands print is UTF-8, whatever the locale and whatever bytes came in."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ami_watcher import command as watcher
from ami_watcher.web.documents import HistoryDocument
from host.terminal import console, in_utf8

HOUSE = Path(__file__).parents[2]
PRINTERS = ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write")
ROOMS = ("agi", "ami_watcher", "failover", "host", "localized", "pair")
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


def bare(node: ast.expr) -> bool:
    """Whether what is printed may hold what a file, a peer or a server said, as it was said."""
    match node:
        case ast.Constant():
            return False
        case ast.IfExp():
            return bare(node.body) or bare(node.orelse)
        case ast.Call(func=ast.Name("harmless" | "_ascii")):
            return False
        case ast.Call(func=ast.Attribute(ast.Name("json"), "dumps")):
            return any(one.arg == "ensure_ascii" and ast.unparse(one.value) != "True" for one in node.keywords)
        case ast.BinOp():
            return bare(node.left) or bare(node.right)
        case ast.Call(func=ast.Attribute(ast.Name("textwrap"), "fill")):
            return bare(node.args[0])
    # The peer's answer, a line of JSON; the reference of keys, of our own words.
    return ast.unparse(node) not in ("encode_answer(said)", "page()")


def printed(tree: ast.AST) -> list[ast.expr]:
    return [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in PRINTERS
    ]


def test_nothing_is_printed_past_the_console_that_could_command_the_terminal() -> None:
    found = {
        f"{path.relative_to(HOUSE)}:{one.lineno}: {ast.unparse(one)}"
        for room in ROOMS
        for path in (HOUSE / room).rglob("*.py")
        if any(f"{name}(" in (source := path.read_text()) for name in PRINTERS)
        for one in printed(ast.parse(source))
        if bare(one)
    }
    assert not found


def test_the_look_at_what_is_printed_sees_a_bare_text() -> None:
    (one,) = printed(ast.parse("click.echo(f'{reason}')"))
    assert bare(one)


EVIL = "a\x1b[2J\x9b31m\x07\u202e"


def test_json_of_the_watcher_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    document = HistoryDocument(machine=EVIL, at=0.0, complete=True, note=None, entries=())
    watcher._show(lambda: document, lambda _shown: "", as_json=True, watch=False)
    told = capsys.readouterr().out
    assert json.loads(told)["machine"] == EVIL
    assert told.isascii()
    assert told.replace("\n", "").isprintable()


def test_output_becomes_utf_8_and_what_is_no_terminal_is_a_hundred_columns_wide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    in_utf8()
    shown = console()
    shown.print("[red]Jörg\udcf6 " + "x" * 200 + "\x1b[2J")
    sys.stdout.flush()
    said = written.getvalue().decode()
    assert shown.width == 100
    assert said.startswith("[red]Jörg\\udcf6 ")
    assert "\x1b" not in said
