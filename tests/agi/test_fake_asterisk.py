"""The fake Asterisk is held to what real ones were recorded to say (tests/world/agi/test_agi.py compares those)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agi.fake_asterisk import FakeAsterisk, environment
from agi.protocol.environment import NAMES, read_environment
from agi.protocol.replies import ReplyReader

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.json"))


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.stem)
def recording(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.param.read_text())
    return found


def names(block: str) -> list[str]:
    return [line.partition(":")[0] for line in block.split("\n")]


def test_there_is_a_recording_of_each_release_and_way() -> None:
    assert [path.stem for path in RECORDINGS] == ["16-fastagi", "16-process", "22-fastagi", "22-process"]


def test_the_environment_has_the_recorded_lines_in_the_recorded_order(recording: dict[str, Any]) -> None:
    recorded = recording["environment"]
    network = recorded.startswith("agi_network: yes\n")

    assert names(environment("x", ("argument",), network=network).decode()) == names(recorded)


def test_a_recorded_environment_is_genuine(recording: dict[str, Any]) -> None:
    block = recording["environment"].encode().removesuffix(b"\n")

    found = read_environment(block)

    assert found.tampered is None
    assert found.caller_number == "6175550100"
    assert found.dnid == "5559000"
    assert set(NAMES) <= set(names(recording["environment"]))


def test_it_answers_as_was_recorded(recording: dict[str, Any]) -> None:
    far = FakeAsterisk(variables={"NEWLINE": "one\ntwo"})

    for command, recorded in recording["dialogue"]:
        answered = far.answer(command)
        if recorded.startswith("520-"):  # between the first line and the last stands a text of the documentation
            assert answered.split("\n")[0] == recorded.split("\n")[0]
            assert answered.split("\n")[-2] == recorded.split("\n")[-2]
        else:
            assert answered == recorded, command


def test_every_recorded_reply_is_one_reply(recording: dict[str, Any]) -> None:
    for command, recorded in recording["dialogue"]:
        reader = ReplyReader()
        reader.feed(recorded.encode("utf-8", "surrogateescape"))
        marked = re.search(r"\}(#)\"$", command)

        reply = reader.next(b"#" if marked else b"")

        assert reply is not None, command
        assert reply.code == int(recorded[:3])
        assert reader.next() is None
