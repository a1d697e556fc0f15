"""docs/understand/security.md promises nothing that no test holds."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "understand" / "security.md").read_text(encoding="utf-8")
ATTACKERS = (
    "A caller",
    "A phone, or anybody who reaches SIP and IAX2",
    "A carrier and its API",
    "Domino",
    "A name server",
    "The peer's key",
    "A local user",
    "An admin's mistake",
)
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


@cache
def defined_in(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def section(attacker: str) -> str:
    return PAGE.partition(f"\n## {attacker}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_each_promise_names_a_test_that_is_there(attacker: str) -> None:
    rows = [line for line in section(attacker).splitlines() if line.startswith("| ") and "| held by |" not in line]
    assert len(rows) >= 3
    for row in rows:
        named = NAMED.findall(row)
        assert named, row
        for file, test in named:
            assert (ROOT / file).is_file(), row
            assert test in defined_in(ROOT / file), f"{file} has no {test}"
