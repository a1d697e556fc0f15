"""What lies in deploy/, under a real systemd: Debian's own units for Asterisk and BIND, ours beside them.

boston boots with them. What a machine is when it starts, what a fence holds back, and that our daemons do their work
under the rules that their units set, is seen here and nowhere else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from lab import World
from lab.computer.disk import BIN
from lab.computer.systemd import PROGRAM, Systemd
from lab.until import until
from lab.world.machine import Machine
from tests.world.conftest import Worlds, cannot
from tests.world.failover.cutover import DELEGATION, REPLACING, failover, names_agree, served, set_up

pytestmark = pytest.mark.world

DEPLOY: Final = Path(__file__).resolve().parents[3] / "deploy"
OURS: Final = (
    "hotstandby-boot-guard.service",
    "ami-watcher.service",
    "agi-server.service",
    "agi-server.socket",
    "asterisk.service.d/hotstandby.conf",
)
BOOTED: Final = ("asterisk.service", "named.service", *(name for name in OURS if name.count("/") == 0))
QUICK: Final = "[Service]\nWatchdogSec=3\n"
"""Beside the daemons' units: a test does not wait half a minute for a watchdog."""
USERS: Final = {"ami-watcher.service": "hotstandby-watch", "agi-server.service": "hotstandby-agi"}
FENCE: Final = "/run/hotstandby/fenced"
SECRETS: Final = "/etc/hotstandby/secrets"
RIGHT: Final = "/run/hotstandby/right.json"


def units(machine: Machine) -> dict[str, str]:
    """Debian's and ours as they are, but for where this machine's Asterisk is."""
    assert machine.root is not None
    asterisk = (machine.root.path / "lib/systemd/system/asterisk.service").read_text()
    assert "ExecStart=/usr/sbin/asterisk " in asterisk
    found = {
        "asterisk.service": asterisk.replace("/usr/sbin/asterisk", f"{BIN}/asterisk"),
        "named.service": Path("/lib/systemd/system/named.service").read_text(),
    }
    found |= {name: (DEPLOY / name).read_text() for name in OURS}
    found |= {f"{name}.d/quick.conf": QUICK for name in USERS}
    if any(Path(place).is_relative_to(home) for place in (sys.base_prefix, __file__) for home in ("/root", "/home")):
        # The commands of a test are this checkout's and run on its Python; an admin's are in /opt.
        at_home = "[Service]\nProtectHome=read-only\n"
        found |= {f"{name}.d/home.conf": at_home for name in USERS}
    return found


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    """A pair of which boston is primary, and has lost its power."""
    if not Path(PROGRAM).exists():
        cannot(f"{PROGRAM} is not here; install it with: apt-get install systemd")
    extra = DELEGATION + "[watcher]\npoll_s = 1\nanswer_s = 1\nstale_s = 3\n"
    made = worlds("16", "22", sshd=True, named=True, trunks=REPLACING, expiry_s=20, extra=extra)
    set_up(made)
    for kind in ("sysusers.d", "tmpfiles.d"):
        made.boston.write(f"/etc/{kind}/hotstandby.conf", (DEPLOY / kind / "hotstandby.conf").read_text())
    assert made.boston.run(["systemd-sysusers", "/etc/sysusers.d/hotstandby.conf"]).returncode == 0
    # What docs/start/units.md says of secrets.
    assert made.boston.run(["chgrp", "hotstandby-watch", f"{SECRETS}/ami"]).returncode == 0
    assert made.boston.run(["chmod", "640", f"{SECRETS}/ami"]).returncode == 0
    made.boston.write("/etc/default/named", 'OPTIONS="-c /etc/bind/named.conf"\n')
    made.boston.power_off()
    return made


def booted(world: World) -> Systemd:
    """boston with power, its services started by systemd."""
    world.boston.power_off()
    world.boston.power_on(services=["sshd"])
    tmpfiles = world.boston.run(["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/hotstandby.conf"])
    assert tmpfiles.returncode == 0, tmpfiles.stderr
    made = Systemd(world.boston, units(world.boston), BOOTED)
    made.boot()
    return made


@pytest.fixture(scope="module")
def primary(world: World) -> Iterator[Systemd]:
    """boston's systemd after a power cut during which nobody was promoted."""
    made = booted(world)
    yield made
    made.power_off()


def entered(systemd: Systemd, unit: str) -> int:
    """When a unit became active, in microseconds of this machine's clock."""
    return int(systemd.property(unit, "ActiveEnterTimestampMonotonic"))


def began(systemd: Systemd, unit: str) -> int:
    return int(systemd.property(unit, "ExecMainStartTimestampMonotonic"))


def words(systemd: Systemd, unit: str) -> str:
    return "\n".join(line for _, line in systemd.said(unit))


def seen(systemd: Systemd) -> str:
    """What there is to know of Asterisk's unit, for a test that fails."""
    shown = systemd.control("show", "asterisk.service", "-p", "ActiveState,SubState,Result,NRestarts,AssertResult")
    return f"{shown.stdout}\n{words(systemd, 'asterisk.service')}\n{running(systemd)}"


def running(systemd: Systemd) -> list[str]:
    """The names of all processes beside and below systemd."""
    return systemd.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout.splitlines()


def test_after_a_short_power_cut_the_primary_is_primary_again_and_serves(world: World, primary: Systemd) -> None:
    for unit in BOOTED:
        assert primary.property(unit, "ActiveState") == "active", f"{unit}: {words(primary, unit)}"
    decided = entered(primary, "hotstandby-boot-guard.service")
    assert decided <= began(primary, "asterisk.service")
    assert decided <= began(primary, "named.service")
    assert "boston" in words(primary, "hotstandby-boot-guard.service")
    assert world.boston.run(["failover", "is-primary"]).returncode == 0
    assert {"asterisk", "named"} <= set(running(primary))
    for trunk in REPLACING:
        world.carrier.await_holder(trunk, ["boston"])


def test_the_check_finds_nothing_amiss_with_the_units(primary: Systemd) -> None:
    before = rules_broken(primary)
    assert "boot-guard" in before  # it is not enabled yet
    assert primary.control("enable", "hotstandby-boot-guard.service").returncode == 0
    assert rules_broken(primary) == before - {"boot-guard"}


def rules_broken(systemd: Systemd) -> set[str]:
    done = systemd.run(["failover", "check", "--json"])
    return {one["rule"] for one in json.loads(done.stdout)["findings"]}


def test_the_watcher_works_under_the_rules_of_its_unit(world: World, primary: Systemd) -> None:
    def all_held() -> bool:
        done = primary.run(["ami-watcher", "registrations", "--json"])
        rows = json.loads(done.stdout)["registrations"] if done.returncode == 0 else ()
        return {row["trunk"]: row["state"] for row in rows} == dict.fromkeys(REPLACING, "registered")

    until(all_held, "the watcher sees all registrations")
    assert primary.property("ami-watcher.service", "NRestarts") == "0"
    urgent = [line for priority, line in primary.said("ami-watcher.service") if priority <= 3]
    assert urgent == []


def test_a_watcher_that_hangs_is_started_again_and_the_right_outlives_it(world: World, primary: Systemd) -> None:
    right = world.boston.path(RIGHT).read_bytes()
    primary.control("kill", "--signal=STOP", "ami-watcher.service")
    until(lambda: primary.property("ami-watcher.service", "NRestarts") == "1", "systemd starts it again")
    until(lambda: primary.property("ami-watcher.service", "ActiveState") == "active", "it says that it is ready")
    assert world.boston.path(RIGHT).read_bytes() == right


def test_reload_and_stop_are_what_the_unit_says(primary: Systemd) -> None:
    assert primary.control("reload", "ami-watcher.service").returncode == 0
    assert primary.control("stop", "ami-watcher.service").returncode == 0
    assert primary.property("ami-watcher.service", "Result") == "success", words(primary, "ami-watcher.service")
    assert primary.control("start", "ami-watcher.service").returncode == 0


FASTAGI: Final = """\
import socket, sys
made = socket.create_connection(("127.0.0.1", 4573), timeout=10)
made.sendall(b"agi_network: yes\\nagi_network_script: nobody-wrote-this\\nagi_request: agi://127.0.0.1/nobody-wrote-this\\n\\n")
sys.stdout.write(made.recv(200).decode())
"""


def test_callers_wait_at_the_socket_while_the_agi_server_starts_again(world: World, primary: Systemd) -> None:
    assert world.boston.path("/run/hotstandby/agi/agi.sock").is_socket()
    primary.control("kill", "--signal=KILL", "agi-server.service")
    answered = primary.run(["python3", "-c", FASTAGI])
    assert answered.returncode == 0, answered.stderr
    # Its first question to whoever calls: whether that is an Asterisk.
    assert answered.stdout.startswith("GET FULL VARIABLE")
    assert primary.property("agi-server.service", "NRestarts") == "1"


FORBIDDEN: Final = """\
import json, os, socket, sys
from pathlib import Path
found = {}
def tries(name, what):
    try:
        what()
        found[name] = "did it"
    except OSError as error:
        found[name] = error.strerror
for name in sys.argv[1:]:
    tries(f"reads {name}", lambda: Path(name).read_bytes())
for name in ("right.json", "peer-is-down.json", "fenced", "anything"):
    path = Path("/run/hotstandby") / name
    tries(f"writes {path}", lambda: path.open("ab").close())
tries("removes the right", lambda: Path("/run/hotstandby/right.json").unlink())
tries("removes the fence", lambda: Path("/run/hotstandby/fenced").unlink())
tries("replaces the launchers' socket", lambda: Path("/run/hotstandby/agi/agi.sock").unlink())
tries("takes the lock of a promotion", lambda: os.open("/run/hotstandby/failover.lock", os.O_RDWR))
for path in ("etc/hotstandby/pair.toml", "etc/hotstandby/localized/machine", "var/lib/hotstandby/pair.last-valid.toml"):
    tries(f"writes {path}", lambda: open(f"/{path}", "ab").close())
tries("swaps the role", lambda: os.rename("/etc/hotstandby/localized/current", "/etc/hotstandby/localized/x"))
tries("writes into the journal", lambda: Path("/var/lib/hotstandby/journal/000099-promote.journal").touch())
print(json.dumps(found))
"""


@pytest.mark.parametrize("unit", USERS)
def test_whoever_gets_into_a_daemon_neither_reads_a_key_nor_grants_the_right(
    world: World, primary: Systemd, unit: str
) -> None:
    user, (other,) = USERS[unit], [one for name, one in USERS.items() if name != unit]
    status = primary.run(["cat", f"/proc/{primary.property(unit, 'MainPID')}/status"]).stdout
    uid = primary.run(["id", "-u", user]).stdout.strip()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "Groups:\t \n" in status or f"Groups:\t{uid} \n" in status, status
    primary.run(["touch", FENCE])
    primary.run(["sh", "-c", "umask 077; : >> /run/hotstandby/failover.lock"])
    keys = [f"{SECRETS}/{name}" for name in os.listdir(world.boston.path(SECRETS)) if name != "ami"]
    others_own = "watcher/ami-watcher.sqlite3" if other == "hotstandby-watch" else "agi/lookups.sqlite"
    keys += ["/etc/hotstandby/localized/ssh/peer_key", f"/var/lib/hotstandby/{others_own}"]
    if user == "hotstandby-agi":
        keys.append(f"{SECRETS}/ami")
    # As that user, with everything of the unit's that the attacker could shed left out: the files alone say no.
    done = primary.run(["runuser", "-u", user, "--", "python3", "-c", FORBIDDEN, *keys])
    primary.run(["rm", FENCE])
    found = json.loads(done.stdout)
    assert {name: said for name, said in found.items() if said != "Permission denied"} == {}
    assert len(found) > 15
    assert any(name.endswith("tsig.key") or "tsig" in name for name in found), found
    right = primary.run(["failover", "is-primary"])
    assert right.returncode == 0


def test_root_asks_both_daemons_and_asterisks_group_hands_calls_over(world: World, primary: Systemd) -> None:
    watcher = primary.run(["stat", "-c", "%a %U %G", "/run/hotstandby/watcher/ami-watcher.sock"]).stdout.split()
    assert watcher == ["660", "hotstandby-watch", "hotstandby-watch"]
    agi = primary.run(["stat", "-c", "%a %u %g", "/run/hotstandby/agi/agi.sock"]).stdout.split()
    assert agi == ["660", "0", primary.run(["id", "-g", "asterisk"]).stdout.strip()]
    assert primary.run(["ami-watcher", "registrations", "--json"]).returncode == 0
    checked = primary.run(["agi-server", "check", "--json"])
    assert json.loads(checked.stdout)["handover"] is True
    asterisk = ["runuser", "-u", "asterisk", "--", "python3", "-c", HAND_OVER]
    done = primary.run(asterisk)
    assert done.stdout == "R\nA\nGET FULL VARIABLE\n", done.stderr
    assert primary.run(["runuser", "-u", "hotstandby-watch", "--", "python3", "-c", HAND_OVER]).returncode != 0


HAND_OVER: Final = """\
import os, socket
control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
control.settimeout(10)
control.connect("/run/hotstandby/agi/agi.sock")
print(control.recv(1).decode())
theirs, commands = os.pipe(), os.pipe()
socket.send_fds(control, [b"hotstandby-agi-1\\0lookup.py\\0"], [theirs[0], commands[1]])
print(control.recv(16)[:1].decode())
print(os.read(commands[0], 200).decode().rpartition(" ")[0])
"""


def test_the_watcher_remembers_and_writes_its_list_where_it_may(primary: Systemd) -> None:
    until(
        lambda: primary.run(["ls", "/var/lib/hotstandby/contacts/boston.json"]).returncode == 0,
        "it has written whose phones are here",
        told=lambda: words(primary, "ami-watcher.service"),
    )
    owned = primary.run(["stat", "-c", "%U %a", "/var/lib/hotstandby/watcher/ami-watcher.sqlite3"]).stdout.split()
    assert owned[0] == "hotstandby-watch"
    # What a sync brings as root's is for the watcher to read.
    brought = "/var/lib/hotstandby/contacts/brought"
    primary.run(["sh", "-c", f"umask 027; echo '{{}}' > {brought}"])
    assert primary.run(["stat", "-c", "%G %a", brought]).stdout.split() == ["hotstandby-watch", "640"]
    primary.run(["rm", brought])


def test_a_fence_holds_back_a_crashed_asterisk_and_whoever_starts_it(world: World, primary: Systemd) -> None:
    primary.run(["touch", FENCE])
    try:
        primary.control("kill", "--signal=KILL", "asterisk.service")
        # 252 looks at the assertion when Restart= has it started again; 257 does not, and at ExecCondition= alone.
        refusals = ("assertion failed", "asserts failed", "exec-condition")
        until(
            lambda: any(one in words(primary, "asterisk.service").lower() for one in refusals),
            "its restart is tried, and refused",
            told=lambda: seen(primary),
        )
        assert primary.property("asterisk.service", "ActiveState") in ("inactive", "failed")
        assert "asterisk" not in running(primary)
        asked = primary.control("start", "asterisk.service")
        assert asked.returncode != 0
        assert "assert" in asked.stderr.lower()
    finally:
        primary.run(["rm", FENCE])
    primary.control("reset-failed", "asterisk.service")
    assert primary.control("start", "asterisk.service").returncode == 0
    for trunk in REPLACING:
        world.carrier.await_holder(trunk, ["boston"])


def test_a_demotion_under_systemd_leaves_asterisk_running_and_silent(world: World, primary: Systemd) -> None:
    pid = primary.property("asterisk.service", "MainPID")
    done = primary.run(["failover", "demote", "a test"])
    assert done.returncode in (0, 5), done.stdout + done.stderr
    assert primary.property("asterisk.service", "MainPID") == pid
    assert primary.property("asterisk.service", "ActiveState") == "active"
    assert "acme" not in world.boston.run([f"{BIN}/asterisk", "-rx", "sip show registry"]).stdout


def test_what_was_demoted_by_hand_is_standby_after_a_reboot_as_well(world: World, primary: Systemd) -> None:
    primary.power_off()
    systemd = booted(world)
    try:
        assert "demoted it by hand" in words(systemd, "hotstandby-boot-guard.service")
        assert systemd.property("asterisk.service", "ActiveState") == "active"
        assert failover(world.boston, "is-primary").returncode == 1
    finally:
        systemd.power_off()


def test_a_machine_that_comes_back_after_a_promotion_is_standby_in_pbx_and_dns(world: World) -> None:
    world.boston.power_off()
    served(world.dallas, "promote", "--peer-is-down", "its power is cut")
    systemd = booted(world)
    try:
        assert "standby" in words(systemd, "hotstandby-boot-guard.service")
        assert "may answer with the old zone" not in words(systemd, "hotstandby-boot-guard.service")
        assert "acme.example/IN: expired" in words(systemd, "named.service")  # it asks before it answers
        assert systemd.property("asterisk.service", "ActiveState") == "active"
        assert entered(systemd, "hotstandby-boot-guard.service") <= began(systemd, "asterisk.service")
        assert failover(world.boston, "is-primary").returncode == 1
        names_agree(world, world.dallas, [world.boston, world.dallas, world.ns3])
        for trunk in REPLACING:
            assert world.carrier.holder(trunk) == ["dallas"]
    finally:
        systemd.power_off()


def test_where_the_guard_cannot_decide_asterisk_does_not_start(world: World) -> None:
    kept = world.boston.path("/etc/hotstandby/pair.toml").read_text()
    machine_file = world.boston.path("/etc/hotstandby/localized/machine").read_text()
    world.boston.write("/etc/hotstandby/localized/machine", "atlantis\n")
    try:
        systemd = booted(world)
        assert systemd.property("hotstandby-boot-guard.service", "ActiveState") == "failed"
        assert "atlantis" in words(systemd, "hotstandby-boot-guard.service")
        assert systemd.property("asterisk.service", "ActiveState") == "inactive"
        assert systemd.property("named.service", "ActiveState") == "active"
        systemd.power_off()
    finally:
        world.boston.write("/etc/hotstandby/pair.toml", kept)
        world.boston.write("/etc/hotstandby/localized/machine", machine_file)
