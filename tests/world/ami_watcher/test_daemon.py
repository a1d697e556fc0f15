"""ami-watcher as a daemon on a machine with a real Asterisk: what it serves is what Asterisk and the carrier say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Machine, Release, World
from lab.computer.daemon import Daemon
from lab.errors import LabError
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

TRUNKS = ("acme", "metro", "nova")
PORT = 8160
FETCH = """\
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
    sys.stdout.write(answer.read().decode())
"""
LISTEN = """\
import sys, urllib.request
with urllib.request.urlopen("http://127.0.0.1:8160/api/events", timeout=30) as answer:
    for line in answer:
        sys.stdout.write(line.decode())
        sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    return worlds(
        boston=release,
        dallas=release,
        start=["boston"],
        trunks=TRUNKS,
        expiry_s=20,
        iax_expiry_s=10,
        extra="[watcher]\npoll_s = 1\nanswer_s = 1\nstale_s = 3\ncontacts_poll_s = 2\nhooks = { settle_s = 0.5 }\n",
    )


@pytest.fixture(scope="module")
def daemon(world: World) -> Iterator[Daemon]:
    activate(world.boston, "primary")
    hook = world.boston.write(
        "/etc/hotstandby/hooks/watcher/10-tell",
        '#!/bin/sh\necho "$HOTSTANDBY_SUBJECT:$HOTSTANDBY_AFTER" >> /var/lib/hotstandby/told\n',
        mode=0o755,
    )
    assert hook.exists()
    found = world.boston.spawn(["ami-watcher", "run"])
    yield found
    found.terminate()


def activate(machine: Machine, role: str) -> None:
    """Makes the machine primary or standby, as an admin does whose peer is down."""
    word = ["--peer-is-down", "a test has dallas off"] if role == "primary" else []
    done = machine.run(["render-localized", "--role", role, "--activate", *word])
    assert done.returncode == 0, done.stdout + done.stderr


def asked(machine: Machine) -> dict[str, Any]:
    """The API's document, asked on the machine through its command."""
    done = machine.run(["ami-watcher", "registrations", "--json"])
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def states(machine: Machine) -> dict[str, str]:
    return {row["trunk"]: row["state"] for row in asked(machine).get("registrations", ())}


def held(machine: Machine, daemon: Daemon) -> None:
    everything = dict.fromkeys(TRUNKS, "registered")
    daemon.until(lambda: states(machine) == everything, f"all are registered, and not {states(machine)}")


def test_what_it_serves_is_what_the_carrier_holds(world: World, daemon: Daemon) -> None:
    held(world.boston, daemon)
    for trunk in TRUNKS:
        assert world.carrier.holder(trunk) == ["boston"]
    document = asked(world.boston)
    assert document["role"] == "primary"
    assert document["level"] == "good"
    assert document["link"]["asterisk_version"].startswith(f"{world.releases['boston']}.")
    shown = world.boston.run(["ami-watcher", "registrations"]).stdout
    assert "All 3 registrations hold." in shown
    checked = world.boston.run(["ami-watcher", "check"])
    assert (checked.returncode, "registered=3;;;0;3" in checked.stdout) == (0, True)


def test_page_api_and_metrics_answer_on_the_machine_and_nowhere_else(world: World, daemon: Daemon) -> None:
    held(world.boston, daemon)

    def fetched(path: str) -> str:
        return world.boston.run(["python3", "-c", FETCH, f"http://127.0.0.1:{PORT}{path}"]).stdout

    assert "All 3 registrations hold." in fetched("/")
    assert 'hotstandby_registration_up{channel="iax2",trunk="metro"} 1.0' in fetched("/metrics")
    assert json.loads(fetched("/readyz"))["ready"] is True
    with pytest.raises(LabError, match="refused"):
        world.carrier.connect("192.0.2.11", PORT, deadline_s=2)


def test_a_loss_and_its_return_are_streamed_told_to_hooks_and_kept(world: World, daemon: Daemon) -> None:
    held(world.boston, daemon)
    listener = world.boston.spawn(["python3", "-u", "-c", LISTEN], name="listener")
    daemon.until(lambda: "event: snapshot" in listener.output(), "the stream begins")
    world.boston.asterisk("module unload chan_iax2.so")
    daemon.until(lambda: states(world.boston).get("metro") == "gone", "metro is gone")
    assert states(world.boston) == {"acme": "registered", "metro": "gone", "nova": "registered"}
    assert world.boston.run(["ami-watcher", "check"]).returncode == 1  # it is not required
    told = world.boston.path("/var/lib/hotstandby/told")
    daemon.until(lambda: told.exists() and "metro:gone\n" in told.read_text(), "hooks hear of it")
    world.boston.asterisk("module load chan_iax2.so")
    held(world.boston, daemon)

    def streamed() -> list[str]:
        lines = listener.output().splitlines()
        found = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        return [entry["after"] for entry in found if entry.get("kind") == "registration"]

    daemon.until(lambda: streamed() == ["gone", "registered"], f"both are streamed, and not {streamed()}")
    listener.terminate()
    daemon.until(lambda: told.read_text().endswith("metro:gone\nmetro:registered\n"), "hooks hear of its return")
    history = ["ami-watcher", "history", "metro", "--kind", "registration", "--json"]
    kept = json.loads(world.boston.run(history).stdout)["entries"]
    assert [entry["after"] for entry in kept][-2:] == ["gone", "registered"]


def test_a_killed_asterisk_is_unknown_and_critical_until_it_is_back(world: World, daemon: Daemon) -> None:
    held(world.boston, daemon)
    world.boston.kill_asterisk()
    daemon.until(lambda: set(states(world.boston).values()) == {"unknown"}, "nothing is known")
    checked = world.boston.run(["ami-watcher", "check"])
    assert checked.returncode == 2
    assert "CRITICAL" in checked.stdout
    world.boston.start_asterisk()
    held(world.boston, daemon)


def test_a_machine_that_becomes_standby_stands_by(world: World, daemon: Daemon) -> None:
    held(world.boston, daemon)
    activate(world.boston, "standby")
    daemon.until(lambda: states(world.boston) == dict.fromkeys(TRUNKS, "standby"), "all stand by")
    document = asked(world.boston)
    assert (document["role"], document["level"]) == ("standby", "unknown")  # nobody looked whether dallas holds them
    assert world.boston.run(["ami-watcher", "check"]).returncode == 3


def test_it_ends_by_itself_after_sigterm(world: World, daemon: Daemon) -> None:
    listener = world.boston.spawn(["python3", "-u", "-c", LISTEN], name="listener")
    daemon.until(lambda: "event: snapshot" in listener.output(), "the stream begins")
    daemon.terminate()  # after its deadline it would be killed, and end with another code
    assert daemon.poll() == 0, daemon.output()
    assert "Traceback" not in daemon.output()
