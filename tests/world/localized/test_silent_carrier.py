"""A carrier that is silent for a while, at any moment and however often somebody types: every trunk is held afterwards.

PJSIP is what it is about: asked for at a silent carrier it takes its binding back, and registers never again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from host.command import Finished
from lab import Machine, Release, World
from lab.until import until
from tests.world.conftest import Worlds
from tests.world.localized.activating import AGAIN, primary, render, standby, words

pytestmark = pytest.mark.world

TRUNKS = ("acme", "metro", "nova")
WITHIN_S = 180.0
"""Seconds from the carrier's return after which no trunk comes any more; PJSIP's longest pause is 60."""
DEADLINE = "register_deadline_s = 4.0\n"
WATCHER = "[watcher]\npoll_s = 1\nanswer_s = 1\nstale_s = 3\n"


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    return worlds(boston=release, dallas=release, start=["boston"], trunks=TRUNKS, extra=WATCHER)


@pytest.fixture
def impatient(world: World) -> Iterator[World]:
    """Activations that wait for four seconds."""
    toml = world.boston.path("/etc/hotstandby/pair.toml")
    kept = toml.read_text()
    toml.write_text(kept.replace("[asterisk]\n", f"[asterisk]\n{DEADLINE}"))
    try:
        yield world
    finally:
        toml.write_text(kept)


@contextmanager
def watched(machine: Machine, wanted: bool) -> Iterator[None]:
    daemon = machine.spawn(["ami-watcher", "run"]) if wanted else None
    try:
        yield
    finally:
        if daemon is not None:
            daemon.terminate()


def all_held(world: World) -> bool:
    """As Asterisk lists them, and as the carrier does."""
    listed = world.boston.asterisk("pjsip show registrations") + world.boston.asterisk("iax2 show registry")
    own = ["nova/", "5556000"]
    if world.boston.root is not None and world.boston.root.release == "16":
        listed += world.boston.asterisk("sip show registry")
        own.append("5551000")
    lines = [next((line for line in listed.splitlines() if name in line), "") for name in own]
    good = all("Registered" in line for line in lines)
    return good and all(world.carrier.holder(trunk) == ["boston"] for trunk in TRUNKS)


def until_all_held(world: World) -> float:
    """Seconds from now."""
    begun = time.monotonic()
    until(
        lambda: all_held(world),
        "every trunk held",
        told=lambda: world.boston.asterisk("pjsip show registrations"),
        deadline_s=WITHIN_S,
    )
    return time.monotonic() - begun


def silent_once(world: World, phase: str, silent_s: float, typed: int, *, watcher: bool) -> float:
    """Seconds from the carrier's return until all is held."""
    assert standby(world.boston).returncode == 0
    # Its own un-REGISTER is on its way when it ends, and is none that a silent carrier is sent.
    world.carrier.await_holder("nova", [])
    if phase == "held":
        assert primary(world.boston).returncode == 0
    done: list[Finished] = []
    with watched(world.boston, watcher):
        if phase == "held" and watcher:
            time.sleep(1)
        before = len(world.carrier.answers())
        world.cut("boston", "carrier")
        begun = time.monotonic()

        def type_it() -> None:
            if phase == "promotion":
                done.append(primary(world.boston))
            for number in range(typed):
                time.sleep(max(0.0, begun + silent_s * number / typed - time.monotonic()))
                done.append(render(world.boston, *AGAIN))

        person = threading.Thread(target=type_it)
        person.start()
        try:
            time.sleep(max(0.0, begun + silent_s - time.monotonic()))
        finally:
            world.heal()
        took = until_all_held(world)
        person.join()
        assert all(one.returncode in (0, 1, 5) for one in done), [words(one) for one in done]
        assert all_held(world)
        taken_back = [one for one in world.carrier.answers()[before:] if one.expires_s == 0]
        assert taken_back == [], f"no un-REGISTER is sent at a carrier that is silent since {begun:.1f}"
    return took


@pytest.mark.parametrize(
    ("phase", "silent_s", "typed", "watcher"),
    [
        ("promotion", 9.0, 1, False),  # silent before the first REGISTER
        ("promotion", 39.0, 8, False),  # typed again and again until PJSIP has called it Rejected, after 33 s
        ("held", 3.0, 1, True),
    ],
)
def test_every_trunk_is_held_after_a_silence(
    impatient: World, phase: str, silent_s: float, typed: int, watcher: bool
) -> None:
    silent_once(impatient, phase, silent_s, typed, watcher=watcher)


@pytest.mark.soak
@pytest.mark.parametrize("phase", ["promotion", "held"])
@pytest.mark.parametrize("watcher", [False, True])
def test_every_trunk_is_held_after_any_silence(
    world: World, phase: str, watcher: bool, record_property: Callable[[str, object], None]
) -> None:
    for silent_s in (0, 3, 15, 31, 34, 60, 130):
        for typed in range(4):
            took = silent_once(world, phase, float(silent_s), typed, watcher=watcher)
            record_property(f"silent {silent_s} s, typed {typed} times", round(took, 1))
            print(f"{phase} watcher={watcher} silent {silent_s} s, typed {typed} times: {took:.1f} s", flush=True)


def by_hand(machine: Machine) -> None:
    machine.asterisk("pjsip send unregister nova")


def all_by_hand(machine: Machine) -> None:
    machine.asterisk("pjsip send unregister *all")


def activated(machine: Machine) -> None:
    assert render(machine, *AGAIN).returncode == 0


def reloaded(machine: Machine) -> None:
    assert render(machine, "--reload").returncode == 0


def nothing(machine: Machine) -> None:
    """The watcher does it."""


@pytest.mark.parametrize(("revived", "watcher"), [(activated, False), (reloaded, False), (nothing, True)])
@pytest.mark.parametrize("taken_back", [by_hand, all_by_hand])
def test_what_was_taken_back_and_is_wanted_is_registered_again(
    impatient: World,
    taken_back: Callable[[Machine], None],
    revived: Callable[[Machine], None],
    watcher: bool,
) -> None:
    machine = impatient.boston
    assert primary(machine).returncode == 0
    until_all_held(impatient)
    taken_back(machine)
    impatient.carrier.await_holder("nova", [])
    with watched(machine, watcher):
        revived(machine)
        until_all_held(impatient)


def test_a_question_while_a_register_is_on_its_way_disturbs_nothing(impatient: World) -> None:
    """What retry.py and reregister.py count on: PJSIP refuses a second transaction, and the first goes on."""
    machine = impatient.boston
    assert standby(machine).returncode == 0
    impatient.cut("boston", "carrier")
    try:
        assert primary(machine).returncode in (1, 5)
        before = len(impatient.carrier.answers())
        for _ in range(30):
            machine.asterisk("pjsip send register nova")
    finally:
        impatient.heal()
    until_all_held(impatient)
    assert not any(one.expires_s == 0 for one in impatient.carrier.answers()[before:])
    assert machine.asterisk_running
