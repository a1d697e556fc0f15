"""What the pages say can be typed and followed: commands, links, and files that are there."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import click
import pytest

import agi.command
import ami_watcher.command
import failover.command
import localized.command
from tests.docs.pages import HISTORY, PAGES, ROOT, Line, code, command

MAIN = {
    "failover": failover.command.group,
    "render-localized": localized.command.command,
    "ami-watcher": ami_watcher.command.main,
    "agi-server": agi.command.main,
}
PLACEHOLDERS = {"N": "7", "…": None, "...": None}
ON_A_MACHINE = frozenset({"localized/machine"})
"""Below /etc/hotstandby, where a page leaves that out."""
ROOMS = (
    "agi",
    "ami_watcher",
    "bench",
    "deploy",
    "docs",
    "failover",
    "host",
    "lab",
    "localized",
    "pair",
    "templates",
    "tests",
)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def tracked() -> frozenset[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return frozenset(listed) or frozenset(str(path.relative_to(ROOT)) for path in ROOT.rglob("*"))


def parsed(words: list[str]) -> None:
    """Takes a command apart as it would be, and carries out nothing.

    Raises:
        click.UsageError: it cannot be typed so.
    """
    at: click.Command = MAIN[words[0]]
    context = click.Context(at, info_name=words[0])
    rest = [PLACEHOLDERS.get(word, word) for word in words[1:]]
    arguments = [word for word in rest if word is not None]
    while isinstance(at, click.Group) and arguments and not arguments[0].startswith("-"):
        below = at.get_command(context, arguments[0])
        if below is None:
            raise click.UsageError(f"no command '{arguments[0]}'")
        at = below
        context = click.Context(at, parent=context, info_name=arguments[0])
        arguments = arguments[1:]
    at.make_parser(context).parse_args(args=arguments)


def commands(page: Path) -> list[tuple[Line, list[str]]]:
    return [(line, words) for line in code(page) if (words := command(line)) is not None]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in HISTORY], ids=named)
def test_every_command_on_a_page_can_be_typed(page: Path) -> None:
    wrong = []
    for line, words in commands(page):
        try:
            parsed(words)
        except click.UsageError as error:
            wrong.append(f"{line}: {error.format_message()}")
    assert not wrong, "\n".join(wrong)


def test_the_pages_hold_the_commands_that_are_looked_for() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 120
    with pytest.raises(click.UsageError):
        parsed(["failover", "promote", "--peer-is-dead", "x"])
    with pytest.raises(click.UsageError):
        parsed(["failover", "promoted"])


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        to = (page.parent / target).resolve() if target else page
        assert to.exists(), f"{named(page)}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", to.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{named(page)}: {target}#{anchor}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in HISTORY], ids=named)
def test_every_file_of_ours_that_a_page_names_is_there(page: Path) -> None:
    words = " ".join(line.text for line in code(page) if line.kind == "inline")
    gone = []
    for path in re.findall(rf"(?<![\w/.*])((?:{'|'.join(ROOMS)})/[\w./-]+)", words):
        if (
            "*" in path
            or path in ON_A_MACHINE
            or path in tracked()
            or any(name.startswith(path.rstrip("/") + "/") for name in tracked())
        ):
            continue
        gone.append(path)
    assert not gone, f"{named(page)} names what is not there: {', '.join(gone)}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        if page.name != "README.md":
            assert f"({page.relative_to(ROOT / 'docs')})" in index, page


def test_no_page_is_too_wide_to_read() -> None:
    """Prose fits 125 columns; tables and what is typed may be wider."""
    wide = [
        f"{named(page)}:{number}"
        for page in PAGES
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 125 and not line.lstrip().startswith(("|", "-", "!", "[", "`")) and not line.startswith("    ")
    ]
    assert len(wide) < 90, wide
