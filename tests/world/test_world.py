"""The world itself, before anything is believed that is seen in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import LabError, Machine, Release, World
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

CURRENT = "/etc/hotstandby/localized/current/asterisk"
LINE = {
    "sip": "register => 5551000:acme-Secret1@192.0.2.5/5551000~20\n",
    "iax": "register => 5556000:metro-Secret2@192.0.2.5\n",
}
PJSIP = """\
[{trunk}]
type = registration
transport = transport-udp
server_uri = sip:192.0.2.5
client_uri = sip:{user}@192.0.2.5
contact_user = {user}
outbound_auth = {trunk}
expiration = 20
max_random_initial_delay = 1
"""
UPDATE = b"""\
server 192.0.2.11
zone acme.example
update delete pbx.acme.example A
update add pbx.acme.example 30 A 192.0.2.12
send
"""
AUTH = "[{trunk}]\ntype = auth\nauth_type = userpass\nusername = {user}\npassword = {secret}\n"


def include(machine: Machine, name: str, text: str) -> None:
    machine.path(f"/etc/hotstandby/localized/generations/0-empty/asterisk/{name}").write_text(text)


def register_everything(machine: Machine) -> None:
    """Writes the includes of a primary by hand, and reloads."""
    assert machine.root is not None
    accounts = [("nova", "5552000", "nova-Secret3")]
    if machine.root.release == "16":
        include(machine, "sip-registrations.conf", LINE["sip"])
    else:
        accounts.append(("acme", "5551000", "acme-Secret1"))
    include(machine, "iax-registrations.conf", LINE["iax"])
    include(machine, "pjsip-auth.conf", "".join(AUTH.format(trunk=t, user=u, secret=s) for t, u, s in accounts))
    include(machine, "pjsip-registrations.conf", "".join(PJSIP.format(trunk=t, user=u) for t, u, _ in accounts))
    reload(machine)


def register_nothing(machine: Machine) -> None:
    """Writes the includes of a standby by hand, and reloads."""
    for name in ("sip-registrations.conf", "iax-registrations.conf", "pjsip-registrations.conf"):
        include(machine, name, "")
    reload(machine)


def reload(machine: Machine) -> None:
    assert machine.root is not None
    for command in ("sip reload",) if machine.root.release == "16" else ():
        machine.asterisk(command)
    machine.asterisk("iax2 reload")
    machine.asterisk("module reload res_pjsip.so")


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


def test_every_registration_reaches_the_carriers_log_from_the_right_machine(world: World) -> None:
    register_everything(world.boston)
    for account in ("acme", "metro", "nova"):
        world.carrier.await_holder(account, ["boston"])
        assert world.carrier.registers(account)[-1].machine == "boston"
    register_nothing(world.boston)
    register_everything(world.dallas)
    for account in ("acme", "metro", "nova"):
        world.carrier.await_holder(account, ["dallas"])
        seen = [found.machine for found in world.carrier.registers(account)]
        assert seen[0] == "boston"
        assert seen[-1] == "dallas"


def test_a_call_lands_on_whoever_registered_last(world: World) -> None:
    for machine in (world.boston, world.dallas):
        register_nothing(world.peer_of(machine))
        register_everything(machine)
        for account in ("acme", "metro", "nova"):
            world.carrier.await_holder(account, [machine.name])
            call = world.carrier.call(account)
            assert (call.machine, call.status) == (machine.name, 200)


def test_a_wrong_iax2_password_is_seen_as_a_refusal_of_that_account(world: World) -> None:
    include(world.dallas, "iax-registrations.conf", "register => 5556000:wrong@192.0.2.5\n")
    world.dallas.asterisk("iax2 reload")
    deadline = time.monotonic() + 10
    while not (refused := [found for found in world.carrier.answers() if found.status == 403]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    register_nothing(world.dallas)
    assert {(found.account, found.machine) for found in refused} == {("5556000", "dallas")}


def test_nobody_registered_is_said_so(world: World) -> None:
    assert world.carrier.holder("strict") == []
    assert world.carrier.call("strict").status == 480


def test_a_503_by_address_goes_on_to_the_other_machine(world: World) -> None:
    inbound = world.boston.path("/etc/asterisk/extensions_inbound.conf").read_text()
    world.boston.write("/etc/asterisk/extensions_inbound.conf", "exten => _X.,1,Hangup(34)\n")
    world.boston.asterisk("dialplan reload")
    try:
        call = world.carrier.call("better")
    finally:
        world.boston.write("/etc/asterisk/extensions_inbound.conf", inbound)
        world.boston.asterisk("dialplan reload")
    assert call.machine == "dallas"
    assert [(attempt.machine, attempt.status) for attempt in call.attempts] == [("boston", 503)]
    assert world.carrier.call("better").machine == "boston"


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
    deadline = time.monotonic() + 5
    while len(counting.output()) == counted:
        assert time.monotonic() < deadline
        time.sleep(0.05)
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


def test_a_machine_comes_back_with_the_registrations_that_its_disk_says(world: World) -> None:
    register_nothing(world.dallas)
    register_everything(world.boston)
    world.carrier.await_holder("metro", ["boston"])
    world.boston.power_off()
    before = len(world.carrier.registers("metro"))
    world.boston.power_on()
    world.carrier.await_holder("nova", ["boston"])
    assert len(world.carrier.registers("metro")) > before
    register_nothing(world.boston)


def test_refreshes_are_seen(world: World) -> None:
    """Asterisk sends no event for a refresh; the wire shows it."""
    short = PJSIP.replace("expiration = 20", "expiration = 13")
    include(world.boston, "pjsip-auth.conf", AUTH.format(trunk="nova", user="5552000", secret="nova-Secret3"))
    include(world.boston, "pjsip-registrations.conf", short.format(trunk="nova", user="5552000"))
    before = len(world.carrier.registers("nova"))
    reload(world.boston)
    deadline = time.monotonic() + 10
    while len(world.carrier.registers("nova")) < before + 3:
        assert time.monotonic() < deadline, world.carrier.registers("nova")
        time.sleep(0.05)
    register_nothing(world.boston)
    world.carrier.await_holder("nova", [])
    gone = [found for found in world.carrier.answers() if found.account == "5552000"][-1]
    assert (gone.machine, gone.status, gone.expires_s) == ("boston", 200, 0)


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


def test_accounts_that_ring_both_and_that_refuse_a_second(worlds: Worlds, release: Release) -> None:
    """What the carrier does is the account's, so one Asterisk on the machines shows it."""
    world = worlds(boston=release, dallas=release)
    for trunk, user, secret in (("forked", "5553000", "forked-Secret4"), ("strict", "5554000", "strict-Secret5")):
        for machine in (world.boston, world.dallas):
            include(machine, "pjsip-auth.conf", AUTH.format(trunk=trunk, user=user, secret=secret))
            include(machine, "pjsip-registrations.conf", PJSIP.format(trunk=trunk, user=user))
            machine.asterisk("module reload res_pjsip.so")
            if machine is world.boston:
                world.carrier.await_holder(trunk, ["boston"])
        if trunk == "forked":
            world.carrier.await_holder(trunk, ["boston", "dallas"])
        else:
            deadline = time.monotonic() + 5
            while not any(found.status == 403 for found in world.carrier.answers()):
                assert time.monotonic() < deadline, world.carrier.answers()
                time.sleep(0.05)
            assert world.carrier.holder(trunk) == ["boston"]


def test_names_follow_an_update_on_every_server(worlds: Worlds, release: Release) -> None:
    world = worlds(boston=release, dallas=release, named=True, start=())
    done = world.boston.run(["nsupdate", "-k", "/etc/bind/tsig.key"], input=UPDATE)
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 10
    for server in ("192.0.2.11", "192.0.2.12", "192.0.2.13"):
        while world.carrier.run(["dig", "+short", f"@{server}", "pbx.acme.example"]).stdout != "192.0.2.12\n":
            assert time.monotonic() < deadline, server
            time.sleep(0.1)


def test_a_witness_is_a_machine_of_its_own_that_can_be_cut_off(worlds: Worlds, release: Release) -> None:
    world = worlds(boston=release, dallas=release, witness=True, start=())
    listening = world.witness.spawn(["python", "-m", "http.server", "--bind", "192.0.2.14", "2379"])
    deadline = time.monotonic() + 10
    while True:
        try:
            world.boston.connect("192.0.2.14", 2379).close()
            break
        except LabError:
            assert listening.poll() is None, listening.output()
            assert time.monotonic() < deadline
            time.sleep(0.05)
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
    typed = "boston hostname\ncall better\npower-off boston\npower-off nobody\nholder\nfreeze\nmumble\nexit\n"
    argv = [sys.executable, "-m", "lab", "shell", "--boston", release, "--dallas", release, "--no-named"]
    done = subprocess.run(
        argv, input=typed, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60, check=True
    )
    for expected in ("lab> boston\n", "answered by boston", "no machine 'nobody'", "5551000   nobody", "No such word"):
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
        [sys.executable, "-c", HOLDER, release], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True
    )
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) >= 4
    namespaces = {link for pid in pids for kind in ("mnt", "net", "pid") if (link := namespace(pid, kind))}
    assert len(namespaces) >= 6
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 5
    while left := (alive(pids) or (namespaces & everybodys_namespaces())):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
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
