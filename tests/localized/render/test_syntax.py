"""Escaping, for every syntax that is rendered: the very string comes back, or a refusal that names it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localized.asterisk.configuration import read_text
from localized.render import syntax
from localized.render.syntax import Unwritable
from localized.render.untrusted import Untrusted

ODD = st.text(st.sampled_from(list("ab ;-=>#[]()\\\"'%~\t\néÿ\u2028\ud800\x00\x7f")), max_size=20)
ANY = st.one_of(ODD, st.text(max_size=60))


@given(ANY, ANY)
def test_any_value_reads_back_and_nothing_after_it_changes(value: str, other: str) -> None:
    try:
        lines = [f"password = {syntax.asterisk_value(value)}", f"username = {syntax.asterisk_value(other)}", "last = 1"]
    except Unwritable:
        return
    conf = read_text("\n".join(["[a]", *lines, "[b]", "x = 1"]).encode())
    assert conf.refused is None
    assert conf.findings == []
    assert [(s.name, s.value) for s in conf.sections[0].settings] == [
        ("password", value),
        ("username", other),
        ("last", "1"),
    ]
    assert conf.sections[1].last("x") == "1"


@pytest.mark.parametrize(
    "value", [";", "--;", ";--", "a;--b--;c", "\\", "\\;", "a\\", "> x", "=> x", "[x]", "#include y"]
)
def test_what_means_something_to_asterisk_can_be_a_value(value: str) -> None:
    conf = read_text(f"v = {syntax.asterisk_value(value)}".encode(), section="s")
    assert conf.sections[0].last("v") == value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (" x", "begins or ends with a blank"),
        ("x ", "begins or ends with a blank"),
        ("a\nb", "U+000A"),
        ("a\x7fb", "U+007F"),
        ("\ud800", "not valid Unicode"),
        ("x" * 9000, "longer than"),
    ],
)
def test_a_refusal_names_the_value_and_never_shows_it(value: str, said: str) -> None:
    with pytest.raises(Unwritable, match=r"^The secret of trunk acme ") as refusal:
        syntax.asterisk_value(Untrusted(value, "the secret of trunk acme", hidden=True))
    assert said in str(refusal.value)


@given(ANY)
def test_a_sip_user_is_one_word_of_allowed_characters(value: str) -> None:
    try:
        written = syntax.sip_user(value)
    except Unwritable:
        return
    read = read_text(f"v = {written}".encode(), section="s").sections[0].last("v")
    assert read is not None
    assert not set(read) & set(' <>"@:[]{}|^`')


@given(ANY)
def test_a_hosts_name_holds_no_blank_and_no_comment(value: str) -> None:
    try:
        written = syntax.hosts_name(value)
    except Unwritable:
        return
    assert written.split("#")[0].split() == [value]


@given(ANY)
def test_markdown_is_one_line_without_markup(value: str) -> None:
    written = syntax.markdown(value)
    assert "\n" not in written
    for mark in "*_`[<|":
        assert mark not in written.replace("\\" + mark, "")


@given(ANY)
def test_a_unison_value_is_one_line(value: str) -> None:
    try:
        written = syntax.unison_value(value)
    except Unwritable:
        return
    assert written == value
    assert written.strip() == written
    assert "\n" not in written


@pytest.mark.skipif(shutil.which("named-checkconf") is None, reason="needs BIND's named-checkconf")
@pytest.mark.parametrize("value", ["plain.example", "with space", "semi;colon", "#x", "//x", "/*x", "é"])
def test_named_reads_a_quoted_string_as_it_is(value: str, tmp_path: Path) -> None:
    conf = tmp_path / "named.conf"
    conf.write_text(
        f'options {{ directory {syntax.named_string(str(tmp_path))}; }};\nzone "z.example" {{ type primary; '
        f"file {syntax.named_string(value)}; }};\n"
    )
    done = subprocess.run(["named-checkconf", "-p", str(conf)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'file "{value}";' in done.stdout


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb"])
def test_named_strings_with_quotes_or_backslashes_are_refused(value: str) -> None:
    with pytest.raises(Unwritable):
        syntax.named_string(value)
