"""Scripts are found by name, and a broken one breaks itself alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from agi.protocol.errors import ScriptBroken
from agi.script import Scripts

RUN = "def run(call, services):\n    pass\n"


def scripts(directory: Path, **files: str) -> Scripts:
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    return Scripts(directory)


def test_ours_and_an_admins_stand_side_by_side(tmp_path: Path) -> None:
    found = scripts(tmp_path, vip=RUN)

    assert [script.name for script in found] == ["lookup", "vip"]
    assert found["vip.py"] is found["vip"]


def test_a_directory_that_is_missing_holds_no_script(tmp_path: Path) -> None:
    assert [script.name for script in Scripts(tmp_path / "nowhere")] == ["lookup"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def run(\n", "SyntaxError in line 1"),
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("raise SystemExit(1)\n", "SystemExit"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("run = 5\n", "no function run"),
        ("", "no function run"),
        (RUN + "DEADLINE_S = 'soon'\n", "DEADLINE_S = 'soon'"),
        (RUN + "DEADLINE_S = 0\n", "above 0"),
        ("raise Exception('\\x1b[31m' + 'x' * 9999)\n", "Exception"),
    ],
)
def test_a_broken_script_says_why_and_leaves_the_others_alone(tmp_path: Path, text: str, reason: str) -> None:
    found = scripts(tmp_path, bad=text, good=RUN)

    assert reason in found.broken["bad"]
    assert "\x1b" not in found.broken["bad"]
    assert len(found.broken["bad"]) < 500
    assert found["good"].name == "good"
    with pytest.raises(ScriptBroken, match="bad"):
        found["bad"]


def test_what_a_script_says_of_itself_is_heard(tmp_path: Path) -> None:
    found = scripts(
        tmp_path, menu=RUN + "DEADLINE_S = 60\n", quick=RUN + "RESTARTABLE = True\n", odd=RUN + "RESTARTABLE = 1\n"
    )

    assert (found["menu"].deadline_s, found["menu"].restartable) == (60, False)
    assert (found["quick"].deadline_s, found["quick"].restartable) == (None, True)
    assert not found["odd"].restartable


@pytest.mark.parametrize("name", ["lookup", "1st", "a b"])
def test_a_name_that_cannot_be_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(RUN)

    found = Scripts(tmp_path)

    assert str(tmp_path / f"{name}.py") in found.broken
    assert [script.name for script in found] == ["lookup"]


def test_an_admins_json_is_nobody_elses(tmp_path: Path) -> None:
    found = scripts(tmp_path, json=RUN)
    import json

    assert found["json"].origin.endswith("json.py")
    assert json.loads("1") == 1


def test_a_script_that_others_may_write_is_not_loaded_and_the_others_are(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("raise SystemExit\n")
    (tmp_path / "theirs.py").chmod(0o666)
    found = scripts(tmp_path, vip=RUN)
    assert [script.name for script in found] == ["lookup", "vip"]
    with pytest.raises(ScriptBroken, match=f"chmod o-w {tmp_path / 'theirs.py'}"):
        found["theirs.py"]
