"""docs/understand/architecture.md: the ways through the house are short, and lead through what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "understand" / "architecture.md").read_text(encoding="utf-8")
WAYS = {
    title: re.findall(r"^\d+\. `([^`]+)`: (.*(?:\n {3}.*)*)", body, flags=re.MULTILINE)
    for title, body in re.findall(r"^### (.+)\n((?:.*\n)*?)(?=^### |\Z)", PAGE + "\n", flags=re.MULTILINE)
}
FOLDERS = [
    folder
    for line in PAGE.splitlines()
    if line.startswith("| W")
    for folder in re.findall(r"`([^`]+)`", line.split("|")[2])
]


def defined(path: Path) -> set[str]:
    if path.suffix != ".py":
        return set()
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in tree if isinstance(node, kinds)}


def test_there_are_five_ways() -> None:
    assert len(WAYS) == 5
    assert all(stations for stations in WAYS.values())


@pytest.mark.parametrize("title", WAYS)
def test_a_way_has_eight_stations_at_most_and_none_twice(title: str) -> None:
    files = [file for file, _ in WAYS[title]]
    assert len(files) <= 8
    assert len(set(files)) == len(files)


@pytest.mark.parametrize("title", WAYS)
def test_each_station_is_there_and_defines_what_is_said_of_it(title: str) -> None:
    for file, words in WAYS[title]:
        path = ROOT / file
        assert path.is_file(), file
        named = re.match(r"`(\w+)`", words)
        if named is not None:
            assert named.group(1) in defined(path), f"{file}: {named.group(1)}"


def test_each_question_leads_to_a_folder_that_is_there() -> None:
    assert len(FOLDERS) >= 8
    for folder in FOLDERS:
        assert (ROOT / folder).exists(), folder
