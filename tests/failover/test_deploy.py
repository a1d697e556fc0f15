"""What lies in deploy/ says the same as the code."""

from __future__ import annotations

import shlex
from pathlib import Path

from failover.peer.words import request
from failover.standing import fenced
from host.places import Places

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def unit(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_asterisk_asks_for_the_fence_that_a_demotion_sets() -> None:
    drop_in = unit("asterisk.service.d/hotstandby.conf")
    fence = fenced.path(Places.standard(environ={}))
    assert drop_in["AssertPathExists"] == [f"!{fence}"]
    assert drop_in["ExecCondition"] == [f"/usr/bin/test ! -e {fence}"]


def test_the_guard_comes_before_everything_that_it_decides_about() -> None:
    guard = unit("hotstandby-boot-guard.service")
    assert {"asterisk.service", "named.service", "bind9.service"} <= set(guard["Before"][0].split())
    assert "network-online.target" in guard["After"][0]
    drop_in = unit("asterisk.service.d/hotstandby.conf")
    assert drop_in["Requires"] == drop_in["After"] == ["hotstandby-boot-guard.service"]


def test_the_key_is_restricted_and_its_command_takes_no_word_of_the_peer() -> None:
    lines = (DEPLOY / "authorized_keys.example").read_text(encoding="utf-8").splitlines()
    options = next(line for line in lines if not line.startswith("#")).split(" ssh-ed25519 ")[0]
    assert options.startswith("restrict,")
    command = shlex.split(options.partition("command=")[2])[0]
    assert command.split(" ")[1:] == ["peer"]
    assert str(request("demote 7")) == "demote 7"
