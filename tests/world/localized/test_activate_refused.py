"""`render-localized --activate` where something stands in the way: one clear message, and nothing half done."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from host.command import Finished
from lab import RELEASES, Machine, World, available
from tests.world.conftest import Worlds
from tests.world.localized.activating import LOCALIZED, TRUNKS, WORD, active, primary, render, standby, words

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    """Boston has the oldest Asterisk that is here, dallas the newest."""
    here = [release for release in RELEASES if available(release) is None] or list(RELEASES)
    return worlds(boston=here[0], dallas=here[-1], expiry_s=20, trunks=TRUNKS)


@pytest.fixture(autouse=True)
def both_standby(world: World) -> None:
    """Each test begins with two machines that hold nothing but their own account."""
    for machine in (world.boston, world.dallas):
        machine.start_asterisk()
        assert standby(machine).returncode == 0


def test_a_required_trunk_that_is_missing_is_a_failure_with_expected_and_found(world: World) -> None:
    secret = world.boston.path("/etc/hotstandby/secrets/acme")
    good = secret.read_text()
    toml = world.boston.path("/etc/hotstandby/pair.toml")
    before = toml.read_text()
    try:
        secret.write_text("wrong")
        toml.write_text(before.replace("[asterisk]\n", "[asterisk]\nregister_deadline_s = 4.0\n"))
        done = primary(world.boston)
    finally:
        secret.write_text(good)
        toml.write_text(before)
    assert done.returncode == 1, words(done)
    assert "verification FAILED" in done.stdout
    assert "the carrier refused it" in words(done) or "no answer" in words(done)
    assert "wrong" not in done.stdout + done.stderr


def test_reload_proves_what_is_active_and_needs_the_right_for_a_primary(world: World) -> None:
    assert primary(world.boston).returncode in (0, 5)
    assert render(world.boston, "--reload").returncode in (0, 5)
    world.boston.path("/run/hotstandby/peer-is-down.json").unlink()
    refused = render(world.boston, "--reload")
    assert refused.returncode == 3
    assert "REFUSED" in refused.stderr


Break = Callable[[Machine], Callable[[], object]]


def stopped(machine: Machine) -> Callable[[], object]:
    machine.stop_asterisk()
    return machine.start_asterisk


def frozen(machine: Machine) -> Callable[[], object]:
    toml = machine.path("/etc/hotstandby/pair.toml")
    before = toml.read_text()
    toml.write_text(before.replace("[asterisk]\n", "[asterisk]\nreload_deadline_s = 2.0\n"))
    machine.freeze()

    def thaw() -> None:
        machine.thaw()
        toml.write_text(before)

    return thaw


def unloaded(machine: Machine) -> Callable[[], object]:
    machine.asterisk("module unload chan_iax2.so")
    return lambda: machine.asterisk("module load chan_iax2.so")


def unwired(machine: Machine) -> Callable[[], object]:
    conf = machine.path("/etc/asterisk/iax.conf")
    before = conf.read_text()
    conf.write_text(before.replace("#include", ";#include"))
    return lambda: conf.write_text(before)


def closed(machine: Machine) -> Callable[[], object]:
    machine.path("/etc/hotstandby").chmod(0o700)
    return lambda: machine.path("/etc/hotstandby").chmod(0o755)


def no_login(machine: Machine) -> Callable[[], object]:
    secret = machine.path("/etc/hotstandby/secrets/ami")
    before = secret.read_text()
    secret.write_text("wrong")
    return lambda: secret.write_text(before)


def read_only(machine: Machine) -> Callable[[], object]:
    change_something(machine)
    ran = machine.run(["sh", "-c", f"mount --bind {LOCALIZED} {LOCALIZED} && mount -o remount,ro,bind {LOCALIZED}"])
    assert ran.returncode == 0, ran.stderr
    return lambda: machine.run(["umount", LOCALIZED])


def full_disk(machine: Machine) -> Callable[[], object]:
    change_something(machine)
    script = (
        f"cp -a {LOCALIZED} /run/kept && mount -t tmpfs -o size=2m none {LOCALIZED} && "
        f"cp -a /run/kept/. {LOCALIZED} && "
        f"{{ dd if=/dev/zero of={LOCALIZED}/filler bs=4k 2>/dev/null; true; }}"
    )
    assert machine.run(["sh", "-c", script]).returncode == 0
    return lambda: machine.run(["sh", "-c", f"umount {LOCALIZED}; rm -rf /run/kept"])


def change_something(machine: Machine) -> None:
    """So that a new generation must be written."""
    machine.write("/etc/hotstandby/templates/extra.j2", f"changed at {time.monotonic_ns()}\n")


@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [
        (stopped, 1, "Asterisk is not running"),
        (frozen, 1, "did not answer 'core waitfullybooted' within 2 s"),
        (unloaded, 1, "does not have what these trunks register with: chan_iax2 (metro)"),
        (unwired, 2, "iax.conf does not include asterisk/iax-registrations.conf"),
        (closed, 2, "/etc/hotstandby is closed to asterisk, so Asterisk reads nothing below it"),
        (no_login, 1, "refused the login of 'hotstandby'"),
        (read_only, 1, "Read-only file system"),
        (full_disk, 1, "No space left on device"),
    ],
)
def test_what_stands_in_the_way_is_one_clear_message_and_nothing_is_swapped(
    world: World, broken: Break, code: int, said: str
) -> None:
    before = active(world.boston)
    mend = broken(world.boston)
    try:
        done = primary(world.boston)
        assert (done.returncode, said in words(done)) == (code, True), words(done)
        assert "Traceback" not in done.stderr
        assert active(world.boston) == before
    finally:
        mend()
    assert primary(world.boston).returncode in (0, 5)


def test_what_registers_on_its_own_is_named_by_check_and_fails_the_proof_of_a_standby(world: World) -> None:
    conf, toml = (world.boston.path(f"/etc/{name}") for name in ("asterisk/iax.conf", "hotstandby/pair.toml"))
    before, patient = conf.read_text(), toml.read_text()
    toml.write_text(patient.replace("[asterisk]\n", "[asterisk]\nregister_deadline_s = 4.0\n"))
    conf.write_text(before.replace("[general]\n", "[general]\nregister => 5556000:metro-Secret2@192.0.2.5\n"))
    try:
        checked = render(world.boston, "--check")
        assert checked.returncode == 2
        assert "iax.conf:2 registers 5556000 itself, in either role; it is trunk metro" in words(checked)
        world.boston.asterisk("iax2 reload")
        done = standby(world.boston)
        assert done.returncode == 1, words(done)
        assert "metro must not register as standby, and Asterisk still lists it" in words(done)
    finally:
        conf.write_text(before)
        toml.write_text(patient)
        world.boston.asterisk("iax2 reload")
    assert standby(world.boston).returncode == 0


def test_of_two_runs_at_once_one_waits_for_nobody_and_names_the_other(world: World) -> None:
    done: list[Finished] = []
    runs = [threading.Thread(target=lambda: done.append(primary(world.boston))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    codes = sorted(one.returncode for one in done)
    assert codes[0] in (0, 1)
    assert set(codes) <= {0, 1, 5}
    assert 1 in codes
    loser = next(one for one in done if one.returncode == 1)
    assert "Already running: render-localized --role primary --activate (process" in words(loser)


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from localized.command import command
    kill_at, seen = int(sys.argv[1]), 0
    POINTS = {"os.rename", "os.symlink", "os.remove", "os.utime", "subprocess.Popen", "socket.connect"}
    def hook(event, details):
        global seen
        if event in POINTS:
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    try:
        command.main(sys.argv[2:], standalone_mode=False)
    finally:
        print("points", seen)
    """
)


def test_killed_between_swap_reload_and_proof_the_same_command_completes_it(world: World) -> None:
    def run(kill_at: int, *arguments: str) -> Finished:
        return world.boston.run([sys.executable, "-c", KILLED, str(kill_at), *arguments])

    arguments = ("--role", "primary", "--activate", *WORD)
    counted = run(0, *arguments)
    points = int(counted.stdout.split()[-1])
    assert points > 8
    for kill_at in sorted({*range(2, points, 3), points - 1, points}):
        assert standby(world.boston).returncode == 0
        assert run(kill_at, *arguments).returncode == -9
        generation = world.boston.path(f"{LOCALIZED}/{active(world.boston)}")
        assert (generation / "manifest.json").exists()
        done = primary(world.boston)
        assert done.returncode in (0, 5), words(done)
        assert world.carrier.holder("acme") == ["boston"]


def test_an_include_that_was_unreadable_is_read_once_it_is_mended(world: World) -> None:
    """Asterisk remembers size and mtime of a file whose load failed: without a new mtime it would never look again."""
    assert standby(world.boston).returncode == 0
    target = world.boston.path(f"{LOCALIZED}/{active(world.boston)}").parent
    rendered = next(path for path in target.iterdir() if "-primary-" in path.name) / "asterisk/iax-registrations.conf"
    mode = rendered.stat().st_mode & 0o777
    link = world.boston.path(f"{LOCALIZED}/current")
    good = link.readlink()
    rendered.chmod(0o600)
    link.unlink()
    link.symlink_to(f"generations/{rendered.parent.parent.name}")
    world.boston.asterisk("iax2 reload")
    rendered.chmod(mode)
    link.unlink()
    link.symlink_to(good)
    done = primary(world.boston)
    assert done.returncode in (0, 5), words(done)
    assert world.carrier.holder("metro") == ["boston"]


@pytest.fixture(autouse=True)
def extra_template_is_gone(world: World) -> Iterator[None]:
    yield
    for machine in (world.boston, world.dallas):
        machine.path("/etc/hotstandby/templates/extra.j2").unlink(missing_ok=True)
