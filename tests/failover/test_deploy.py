"""What lies in deploy/ says the same as the code."""

from __future__ import annotations

import shlex
from pathlib import Path

from failover.peer.messages import parse_request
from failover.state import fenced
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
    assert str(parse_request("demote 7")) == "demote 7"


DAEMONS = {"agi-server.service": "hotstandby-agi", "ami-watcher.service": "hotstandby-watch"}


def lines(name: str) -> list[list[str]]:
    """The entries of a sysusers.d or tmpfiles.d file, in words."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def test_each_daemon_has_a_user_of_its_own_and_writes_into_its_own_directories_alone() -> None:
    assert {entry[1] for entry in lines("sysusers.d/hotstandby.conf") if entry[0] == "u"} == set(DAEMONS.values())
    written: dict[str, set[str]] = {}
    for name, user in DAEMONS.items():
        found = unit(name)
        assert found["User"] == found["Group"] == [user]
        assert found["CapabilityBoundingSet"] == [""]
        assert "SupplementaryGroups" not in found  # Asterisk's group reads the rendered secrets
        assert found["ProtectSystem"] == ["strict"]
        assert "ReadWritePaths" not in found
        states = " ".join(found.get("StateDirectory", [])).split()
        runs = " ".join(found.get("RuntimeDirectory", [])).split()
        written[user] = {f"/var/lib/{one}" for one in states} | {f"/run/{one}" for one in runs}
    places = Places.standard(environ={})
    assert written["hotstandby-agi"] == {str(places.agi_state)}
    assert written["hotstandby-watch"] == {
        str(one) for one in (places.watcher_run, places.watcher_state, places.contacts)
    }
    for owned in written.values():
        assert not {str(places.run), str(places.state), str(places.agi_socket.parent)} & owned


def test_what_is_made_at_boot_is_roots_but_for_what_a_daemon_writes() -> None:
    places = Places.standard(environ={})
    owners = {entry[1]: entry[3] for entry in lines("tmpfiles.d/hotstandby.conf")}
    modes = {entry[1]: int(entry[2], 8) for entry in lines("tmpfiles.d/hotstandby.conf")}
    for place in (places.run, places.state, places.secrets, places.agi_socket.parent):
        assert owners[str(place)] == "root"
    assert owners[str(places.agi_state)] == "hotstandby-agi"
    assert owners[str(places.watcher_state)] == owners[str(places.contacts)] == "hotstandby-watch"
    assert not any(mode & 0o022 for mode in modes.values())


def test_launchers_find_the_socket_that_systemd_holds() -> None:
    places = Places.standard(environ={})
    socket = unit("agi-server.socket")
    assert socket["ListenSequentialPacket"] == [str(places.agi_socket)]
    assert (socket["SocketUser"], socket["SocketGroup"], socket["SocketMode"]) == (["root"], ["asterisk"], ["0660"])
    launcher = (DEPLOY.parent / "agi/launcher.py").read_text(encoding="utf-8")
    assert f'SOCKET = "{places.agi_socket}"' in launcher


def test_the_guard_runs_as_root_and_may_do_little_else() -> None:
    guard = unit("hotstandby-boot-guard.service")
    assert "User" not in guard
    assert set(guard["CapabilityBoundingSet"][0].split()) == {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
    }
    assert guard["NoNewPrivileges"] == ["yes"]
    assert guard["ProtectSystem"] == ["full"]
    assert str(Places.standard(environ={}).config) in guard["ReadWritePaths"][0].split()
