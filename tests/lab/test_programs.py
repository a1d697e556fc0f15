"""Programs for a machine of the world stand in strings, where no type checker looks: what they import is there."""

from __future__ import annotations

import ast
import importlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = {"agi", "ami_watcher", "failover", "host", "localized", "pair"}


def programs() -> Iterator[tuple[str, ast.Module]]:
    """Every string below lab/, bench/ and tests/world that is a program, and where it stands."""
    tracked = subprocess.run(
        ["git", "ls-files", "lab", "bench", "tests/world"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in (one for one in tracked if one.endswith(".py") and (ROOT / one).exists()):
        for node in ast.walk(ast.parse((ROOT / name).read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import" in node.value:
                # The beginning of a program may be followed by a field that str.format fills.
                lines = node.value.split("\n")
                while lines:
                    try:
                        yield f"{name}:{node.lineno}", ast.parse("\n".join(lines))
                        break
                    except SyntaxError as wrong:
                        lines = lines[: min((wrong.lineno or 1), len(lines)) - 1]


def imported(program: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(program):
        if isinstance(node, ast.Import):
            yield from ((one.name, "") for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), one.name) for one in node.names)


def is_there(module: str, name: str) -> bool:
    try:
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True


def test_what_programs_in_strings_import_is_there() -> None:
    asked = {
        (module, name): where
        for where, program in programs()
        for module, name in imported(program)
        if module.split(".")[0] in SHIPPED
    }
    assert len(asked) > 5, "none was found: they are written otherwise now"
    assert {key: where for key, where in asked.items() if not is_there(*key)} == {}
