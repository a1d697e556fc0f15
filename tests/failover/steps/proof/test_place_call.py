"""The call of [proof], placed on a console of ours: what Asterisk is told, what it heard, and what is left behind."""

from __future__ import annotations

import getpass
import grp
import os
from pathlib import Path

import pytest

from failover.steps.proof.call import CallImpossible, CallResult, place_call, require_dialplan
from pair import Pair, parse
from tests.failover.steps.proof.test_call import silence, tone, wav
from tests.pair.example import EXAMPLE

CONSOLE = r"""#!/bin/sh
# What `asterisk -rx` answers: from files beside it, so that a test says what happens.
cd "$(dirname "$0")" || exit 1
echo "$2" >> asked
case "$2" in
"dialplan show hotstandby-proof") cat context ;;
"module show like "*) echo "Module Description"; cat modules ;;
"dialplan set global "*)
    set -- $2
    name=$4
    shift 4
    value=$(echo "$*" | tr -d '"')
    [ "$name" = HOTSTANDBY_PROOF_FILE ] && echo "$value" > file
    [ -e deaf ] || echo "    -- Global variable '$name' set to '$value'" ;;
"channel originate "*)
    file=$(cat file)
    for end in in out; do [ -e "$end.wav" ] && cp "$end.wav" "$file-$end.wav"; done ;;
"dialplan show globals") cat globals ;;
"core show channels concise") cat channels ;;
esac
exit 0
"""


class Console:
    """The directory of the console, and the pair whose Asterisk it is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "console"
        self.directory.mkdir()
        command = self.directory / "asterisk"
        command.write_text(CONSOLE)
        command.chmod(0o755)
        self.says("context", "[ Context 'hotstandby-proof' created by 'pbx_config' ]\n")
        self.says("modules", "1 modules loaded\n")
        self.says("globals", "   HOTSTANDBY_PROOF_SAID=ANSWER 16\n")
        self.says("channels", "")
        user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        own = f'[asterisk]\ncommand = "{command}"\nuser = "{user}"\ngroup = "{group}"\n'
        self.heard = directory / "heard"
        proof = f'[proof]\ntrunk = "acme"\nnumber = "+16175550100"\ndirectory = "{self.heard}"\nlisten_s = 1\n'
        self._text = EXAMPLE.replace("[asterisk]\n", own)
        self._proof = proof

    def says(self, file: str, text: str) -> None:
        (self.directory / file).write_text(text)

    def hears(self, end: str, samples: list[float]) -> None:
        (self.directory / f"{end}.wav").write_bytes(wav(samples))

    @property
    def asked(self) -> list[str]:
        return (self.directory / "asked").read_text().splitlines()

    def pair(self, more: str = "") -> Pair:
        return parse(f"{self._text}\n{self._proof}{more}".encode(), Path("pair.toml"))

    def call(self, more: str = "") -> CallResult:
        made = self.pair(more)
        assert made.proof is not None
        return place_call(made, "boston", made.proof)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(tmp_path)


def test_a_call_that_comes_back_is_heard_both_ways_and_leaves_nothing_behind(console: Console) -> None:
    console.hears("in", tone(1004, 1.0))
    console.hears("out", tone(440, 1.0))
    console.says(
        "channels", "Local/out@hotstandby-proof-0001;1!hotstandby-proof!out!1!Up!Wait!6\nSIP/7-1!office!7!1!Up\n"
    )
    called = console.call()
    assert called.words.startswith("the call to SIP/+16175550100@acme was heard both ways: out 1004 Hz")
    assert list(console.heard.iterdir()) == []
    told = [line for line in console.asked if line.startswith("dialplan set global")]
    assert [line.split()[3] for line in told][-2:] == ["HOTSTANDBY_PROOF_UNTIL"] * 2  # the last ends it
    assert 'HOTSTANDBY_PROOF_DIAL "SIP/+16175550100@acme"' in " ".join(told)
    assert "channel request hangup Local/out@hotstandby-proof-0001;1" in console.asked
    assert not any("SIP/7-1" in line for line in console.asked)


def test_an_echo_is_measured_at_our_own_end_alone(console: Console) -> None:
    console.hears("out", tone(1004, 1.0))
    assert console.call('answer = "echo"\n').problem == ""
    console.hears("out", silence(1.0))
    assert "outward: silence" in console.call('answer = "echo"\n').problem


@pytest.mark.parametrize(
    ("globals_", "problem"),
    [
        ("   HOTSTANDBY_PROOF_SAID=BUSY 17\n", "it is busy (cause 17)"),
        ("   HOTSTANDBY_PROOF_SAID=CHANUNAVAIL \n", "could not be placed on that trunk"),
        ("   HOTSTANDBY_PROOF_SAID=ANSWER 16\n", "somebody answered, and it was not this machine"),
    ],
)
def test_a_call_that_fails_says_what_dial_said(console: Console, globals_: str, problem: str) -> None:
    console.says("globals", globals_)
    assert problem in console.call().problem


def test_no_call_is_placed_without_its_dialplan_its_modules_or_its_variables(console: Console, tmp_path: Path) -> None:
    asterisk = console.pair().asterisk_on("boston")
    console.says("context", "There is no existence of 'hotstandby-proof' context\n")
    with pytest.raises(CallImpossible, match=r"role\.conf is not read"):
        require_dialplan(asterisk)
    console.says("context", "[ Context 'hotstandby-proof' created by 'pbx_config' ]\n")
    console.says("modules", "0 modules loaded\n")
    with pytest.raises(CallImpossible, match=r"needs res_clioriginate and app_record and app_playtones"):
        require_dialplan(asterisk)
    console.says("modules", "1 modules loaded\n")
    console.says("deaf", "")
    with pytest.raises(CallImpossible, match="did not take the variable"):
        console.call()
    (tmp_path / "heard").rmdir()
    (tmp_path / "heard").write_text("a file")
    with pytest.raises(CallImpossible, match="cannot be made"):
        console.call()
