"""Our reader of Asterisk's configuration: one row, one fact of main/config.c."""

from __future__ import annotations

from pathlib import Path

import pytest

from localized.asterisk.comments import CommentDepth, without_comments
from localized.asterisk.configuration import Conf, LocalDisk, read_conf, read_text


@pytest.mark.parametrize(
    ("line", "depth", "kept", "after"),
    [
        ("a = b ; comment", 0, "a = b ", 0),
        (r"a = b\;c", 0, "a = b;c", 0),
        (r"a = b\\;c", 0, r"a = b\;c", 0),  # one backslash is taken, whatever stands before it
        (r"a = \;\;", 0, "a = ;;", 0),
        ("a ;-- hidden --; b", 0, "a  b", 0),
        ("a ;-- begins", 0, "a ", 1),
        ("still hidden", 1, None, 1),
        ("hidden --; b", 1, " b", 0),
        ("a ;--- is a plain comment", 0, "a ", 0),
        ("a = b--;c", 0, "a = b--;c", -1),  # ends what never began: all that follows is skipped
        ("next", -1, None, -1),
        (r"a = b--\;c", 0, "a = b--;c", 0),
        ("a ;-- b ;-- c --; d --; e", 0, "a  e", 0),
    ],
)
def test_comments_are_cut_as_asterisk_cuts_them(line: str, depth: int, kept: str | None, after: int) -> None:
    assert without_comments(line, CommentDepth(depth)) == (kept, CommentDepth(after))


def sections(text: str) -> dict[str, dict[str, str]]:
    return {one.name: {s.name: s.value for s in one.settings} for one in read_text(text.encode()).sections}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]\nx=1\ny => 2\n", {"a": {"x": "1", "y": "2"}}),
        ("[a]\nx = => 1\n", {"a": {"x": "=> 1"}}),
        ("[a]\nx = >1\n", {"a": {"x": ">1"}}),
        ("[a]\n  x\t= \x01 1 \r\n", {"a": {"x": "1"}}),
        ("\ufeff[a]\nx=1\n", {"a": {"x": "1"}}),
        ("[a]\nx=1\nx+=2\n", {"a": {"x": "12"}}),
        ("[t](!)\nx=1\n[a](t)\ny=2\n", {"t": {"x": "1"}, "a": {"x": "1", "y": "2"}}),
        ("[a]\nx=1\n[b]\n[A](+)\ny=2\n", {"a": {"x": "1", "y": "2"}, "b": {}}),
        ("[a]\n\\#x = 1\n", {"a": {"#x": "1"}}),
        ("[a](!)\nx=1\n[b]\n[a](b)\n[a](+)\ny=2\n", {"a": {"y": "2"}, "b": {}}),  # (+) passes templates by
        ("[b]\nx=1\n[a]()\n", {"b": {"x": "1"}, "a": {"x": "1"}}),  # no name: the first section of all
        ("[a]\nx=1\nx=2\nX=2\nx+=3\n", {"a": {"x": "23", "X": "2"}}),
    ],
)
def test_settings_read_as_asterisk_reads_them(text: str, expected: dict[str, dict[str, str]]) -> None:
    assert sections(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "before any [section]"),
        ("[a\nx = 1\n", "'[' without ']'"),
        ("[a](t\nx = 1\n", "'(' without ')'"),
        ("[a](missing)\n", "inherits from 'missing'"),
        ("[a](+)\n", "which does not exist"),
        ("[a](!)\n[a](+)\n", "(+) adds to [a], which does not exist"),
        ("[a]\ntype=auth\n[a](+type=registration)\n", "(+) adds to [a], with type=registration, which does not exist"),
        ("[a]\n[a](+,a)\n", "inherits from itself"),
        ("[a]\n\\ x = 1\n", "'\\' before a blank"),
    ],
)
def test_what_ends_a_file_is_found(text: str, said: str) -> None:
    refused = read_text(text.encode()).refused
    assert refused is not None
    assert said in refused.text


@pytest.mark.parametrize(
    ("header", "added"),
    [
        ("[n](+)", 0),
        ("[n](+type=registration)", 1),
        ("[N](+type=reg&x=1)", 1),
        ("[n](+type=^auth$)", 0),
        ("[n](+TEMPLATES=restrict)", 2),
        ("[n](+ 'type' = \"registration\" )", 1),
    ],
)
def test_a_filter_chooses_the_section_that_is_added_to(header: str, added: int) -> None:
    above = "[n]\ntype=auth\n[n]\ntype=registration\nx=1\n[n](!)\n"
    conf = read_text(f"{above}{header}\nnew=1\n".encode())
    assert [one.last("new") for one in conf.sections].index("1") == added
    assert len(conf.sections) == 3


@pytest.mark.parametrize("condition", ["type=", "type=auth&", "a&&b=1", "a=\\.b"])
def test_a_filter_that_two_releases_read_differently_is_told(condition: str) -> None:
    conf = read_text(f"[n]\ntype=auth\n[n](+{condition})\n".encode())
    assert any("otherwise by Asterisk 16 than by 22" in one.text for one in conf.findings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nno equals sign\n", "no '='"),
        ("[a]\n#inclode x\n", "no directive"),
        ("[a]\n#include\n", "names no file"),
        ("[a]\n#exec /bin/true\n", "execincludes"),
        ("[a] (t)\n", "ignores '(t)'"),
        ("[a]\nx = " + "1" * 8200 + "\n", "longer than 8190"),
        ("[a]\n;-- never ends\nx = 1\n", "never ends"),
        ("[a]\nx = secret--;\ny = 1\n", "never began"),
        ("[a]\nx = 1\0 2\n", "NUL"),
    ],
)
def test_what_is_swallowed_is_found(text: str, said: str) -> None:
    conf = read_text(text.encode())
    assert conf.refused is None
    assert any(said in finding.text for finding in conf.findings)


def load(directory: Path, **files: str) -> Conf:
    for name, text in files.items():
        (directory / f"{name}.conf").write_text(text)
    conf = read_conf("top.conf", str(directory), LocalDisk())
    assert conf is not None
    return conf


def test_an_include_is_relative_to_the_configuration_directory_and_goes_on_with_the_section(tmp_path: Path) -> None:
    conf = load(tmp_path, top='[general]\n#include "in.conf"\nb = 2\n', **{"in": "a = 1\n[other]\nc = 3\n"})
    assert [(s.name, [v.name for v in s.settings]) for s in conf.sections] == [
        ("general", ["a", "b"]),
        ("other", ["c"]),
    ]
    assert conf.includes[0].section == "general"


def test_a_second_include_goes_on_with_the_section_that_was_opened_last_anywhere(tmp_path: Path) -> None:
    top = "[general]\n#include one.conf\n#include two.conf\n"
    conf = load(tmp_path, top=top, one="[elsewhere]\n", two="register => lost\n")
    assert conf.includes[1].section == "elsewhere"
    assert conf.sections[1].settings[0].value == "lost"


def test_a_missing_include_refuses_the_file_that_asks_for_it(tmp_path: Path) -> None:
    conf = load(tmp_path, top="[general]\n#include gone.conf\n")
    assert conf.refused is not None
    assert "missing" in conf.refused.text


def test_a_missing_include_of_an_include_is_swallowed_and_found(tmp_path: Path) -> None:
    conf = load(tmp_path, top="[general]\n#include one.conf\nb = 2\n", one="a = 1\n#include gone.conf\nlost = 1\n")
    assert conf.refused is None
    assert [setting.name for setting in conf.sections[0].settings] == ["a", "b"]
    assert "drops the rest" in conf.findings[0].text


def test_tryinclude_wildcards_and_braces_find_what_is_there(tmp_path: Path) -> None:
    top = "[a]\n#tryinclude gone.conf\n#include x_*.conf\n#include {y,z}.conf\n"
    conf = load(tmp_path, top=top, x_2="b=1\n", x_1="a=1\n", y="c=1\n", z="d=1\n")
    assert [setting.name for setting in conf.sections[0].settings] == ["a", "b", "c", "d"]


def test_includes_end_at_ten_deep(tmp_path: Path) -> None:
    conf = load(tmp_path, top="[a]\n#include top.conf\n")
    assert any("10 deep" in finding.text for finding in conf.findings)
