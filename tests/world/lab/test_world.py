"""The world itself, before anything is believed that is seen in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import LabError, Release, World
from lab.until import until
from lab.world.registrations import write_registrations
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

UPDATE = b"""\
server 192.0.2.11
zone acme.example
update delete pbx.acme.example A
update add pbx.acme.example 30 A 192.0.2.12
send
"""


@pytest.fixture(autouse=True)
def as_at_the_start(request: pytest.FixtureRequest) -> None:
    """Each test finds both machines on and every path whole."""
    if "world" in request.fixturenames:
        world: World = request.getfixturevalue("world")
        world.heal()
        for machine in (world.boston, world.dallas):
            machine.power_on()


def test_both_machines_run_the_asterisk_that_was_asked_for(world: World, release: Release) -> None:
    for machine in (world.boston, world.dallas):
        assert machine.asterisk("core show version").startswith(f"Asterisk {release}.")


def test_a_machine_has_its_own_files_names_and_processes(world: World) -> None:
    world.boston.write("/etc/hotstandby/only-here", "boston")
    seen = world.boston.run(
        ["sh", "-c", "hostname; cat /etc/hotstandby/only-here; cat /etc/hotstandby/localized/machine"]
    )
    assert seen.stdout == "boston\nbostonboston\n"
    assert world.dallas.run(["test", "-e", "/etc/hotstandby/only-here"]).returncode == 1
    assert not Path("/etc/hotstandby/only-here").exists()
    assert world.dallas.run(["ps", "-C", "asterisk", "-o", "pid="]).stdout.count("\n") == 1


def test_a_cut_path_is_cut_both_ways_and_heals(world: World) -> None:
    ping = ["ping", "-c", "1", "-W", "1"] if world.boston.run(["which", "ping"]).returncode == 0 else None
    world.cut("boston", "carrier")
    call = world.carrier.call("better", deadline_s=1, caller="6175550123")
    assert call.machine == "dallas"
    assert call.attempts[0].status == 408
    assert world.dallas.calls()[-1].endswith(" 5559000 6175550123")
    if ping:
        assert world.boston.run([*ping, "192.0.2.5"]).returncode == 1
        assert world.boston.run([*ping, "192.0.2.12"]).returncode == 0
    world.heal()
    assert world.carrier.call("better").machine == "boston"


def test_a_frozen_asterisk_answers_nobody_and_goes_on_where_it_was(world: World) -> None:
    world.boston.freeze()
    try:
        assert world.carrier.call("better", deadline_s=1).machine == "dallas"
        # The kernel still accepts for it: a connection alone proves nothing.
        world.boston.connect("127.0.0.1", 5038).close()
    finally:
        world.boston.thaw()
    assert world.carrier.call("better").machine == "boston"


def test_a_suspended_machine_stands_still_and_goes_on_where_it_was(world: World) -> None:
    boston = world.boston
    counting = boston.spawn(["sh", "-c", "while :; do echo; sleep 0.05; done"])
    boston.suspend()
    try:
        assert world.carrier.call("better", deadline_s=1).machine == "dallas"
        counted = len(counting.output())
        time.sleep(0.3)
        assert len(counting.output()) == counted
    finally:
        boston.resume()
    assert world.carrier.call("better").machine == "boston"
    until(lambda: len(counting.output()) > counted, "a count that goes on")
    boston.suspend()
    boston.power_off()
    assert counting.poll() is not None


def test_without_power_nothing_runs_and_run_is_empty_afterwards(world: World) -> None:
    boston = world.boston
    daemon = boston.spawn(["sleep", "1000"])
    boston.write("/run/hotstandby/right.json", "{}")
    boston.write("/var/lib/hotstandby/kept", "on disk")
    inside = boston.processes()
    assert len(inside) >= 3
    boston.power_off()
    assert daemon.poll() is not None
    assert not any(Path(f"/proc/{pid}").exists() for pid in inside)
    assert boston.path("/var/lib/hotstandby/kept").read_text() == "on disk"
    assert world.carrier.call("better", deadline_s=1).machine == "dallas"
    boston.power_on()
    assert not boston.path("/run/hotstandby/right.json").exists()
    assert boston.path("/var/lib/hotstandby/kept").read_text() == "on disk"
    assert world.carrier.call("better").machine == "boston"


def test_a_machine_comes_back_with_the_registrations_that_its_disk_says(world: World, release: Release) -> None:
    write_registrations(world.dallas, release, trunks=())
    write_registrations(world.boston, release)
    world.carrier.await_holder("metro", ["boston"])
    world.boston.power_off()
    before = len(world.carrier.registers("metro"))
    world.boston.power_on()
    world.carrier.await_holder("nova", ["boston"])
    assert len(world.carrier.registers("metro")) > before
    write_registrations(world.boston, release, trunks=())


def test_power_can_be_taken_from_a_frozen_machine(world: World) -> None:
    world.boston.freeze()
    world.boston.power_off()
    assert not world.boston.on
    world.boston.power_on()
    assert world.boston.asterisk_running


def test_an_agi_script_of_the_chroot_runs_on_the_machine(world: World) -> None:
    script = "#!/usr/bin/python3-host\nimport os\nopen('/run/hotstandby/agi', 'w').write("
    script += "f'{os.getuid()} {os.uname().nodename}')\n"
    boston = world.boston
    boston.write("/var/lib/asterisk/agi-bin/hello.py", script, mode=0o755)
    boston.path("/run/hotstandby").chmod(0o777)
    boston.write("/etc/asterisk/extensions_inbound.conf", "exten => _X.,1,AGI(hello.py)\n same => n,Answer()\n")
    boston.asterisk("dialplan reload")
    assert world.carrier.call("better", order=["boston"]).machine == "boston"
    assert boston.path("/run/hotstandby/agi").read_text() == f"{boston.root.ids()[0] if boston.root else 0} boston"


def test_names_follow_an_update_on_every_server(worlds: Worlds, release: Release) -> None:
    world = worlds(boston=release, dallas=release, named=True, start=())
    done = world.boston.run(["nsupdate", "-k", "/etc/bind/tsig.key"], input=UPDATE)
    assert done.returncode == 0, done.stderr

    def answers(server: str) -> str:
        return world.carrier.run(["dig", "+short", f"@{server}", "pbx.acme.example"]).stdout

    for server in ("192.0.2.11", "192.0.2.12", "192.0.2.13"):
        until(lambda at=server: answers(at) == "192.0.2.12\n", f"the new address from {server}")  # type: ignore[misc]


def test_a_witness_is_a_machine_of_its_own_that_can_be_cut_off(worlds: Worlds, release: Release) -> None:
    world = worlds(boston=release, dallas=release, witness=True, start=())
    listening = world.witness.spawn(["python", "-m", "http.server", "--bind", "192.0.2.14", "2379"])
    world.boston.await_port("192.0.2.14", 2379, listening)
    world.cut("boston", "witness")
    with pytest.raises(LabError):
        world.boston.connect("192.0.2.14", 2379, deadline_s=0.5)
    world.dallas.connect("192.0.2.14", 2379).close()


def test_root_of_each_machine_reaches_the_other_by_ssh(worlds: Worlds, release: Release) -> None:
    world = worlds(boston=release, dallas=release, sshd=True, start=("dallas",))
    done = world.boston.run(["ssh", "dallas", "hostname && asterisk -rx 'core show version'"])
    assert done.stdout.startswith(f"dallas\nAsterisk {release}."), done.stderr
    assert world.dallas.run(["ssh", "boston", "hostname"]).stdout == "boston\n"


def test_a_person_types_at_the_prompt(release: Release) -> None:
    primary = "render-localized --role primary --activate --peer-is-down 'trying it out'"
    typed = f"boston hostname\nboston {primary}\ncall better\n"
    typed += "power-off boston\npower-off nobody\nholder\nfreeze\nmumble\nexit\n"
    argv = [sys.executable, "-m", "lab", "shell", "--boston", release, "--dallas", release, "--no-named"]
    done = subprocess.run(
        argv, input=typed, capture_output=True, text=True, cwd=Path(__file__).parents[3], timeout=240, check=True
    )
    for expected in ("lab> boston\n", "answered by boston", "no machine 'nobody'", "5551000   boston", "No such word"):
        assert expected in done.stdout


HOLDER = """
import sys, time
from lab import World
with World(boston=sys.argv[1], dallas=sys.argv[1]) as world:
    world.boston.spawn(["sleep", "1000"])
    world.boston.freeze()
    print(*world.boston.processes(), *world.carrier.processes(), flush=True)
    time.sleep(1000)
"""


def test_after_kill_9_of_its_owner_nothing_is_left_not_even_what_was_frozen(release: Release) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLDER, release], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True
    )
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) >= 4
    namespaces = {link for pid in pids for kind in ("mnt", "net", "pid") if (link := namespace(pid, kind))}
    assert len(namespaces) >= 6
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    until(lambda: not (alive(pids) or (namespaces & everybodys_namespaces())), "the end of everything in the world")
    assert "/run/lab/" not in Path("/proc/self/mounts").read_text()


def alive(pids: list[int]) -> set[str]:
    return {str(pid) for pid in pids if Path(f"/proc/{pid}").exists()}


def namespace(pid: int, kind: str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return None


def everybodys_namespaces() -> set[str]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {link for pid in pids for kind in ("mnt", "net", "pid") if (link := namespace(pid, kind))}
