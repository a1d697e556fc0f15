"""Generations: whole or not there, swapped by a link, each file unlike any earlier one to Asterisk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.places import Places
from localized.activation.activate import needs_restart
from localized.activation.reload_state import ReloadState, modules_to_reload
from localized.errors import NotRenderable, NotWritable
from localized.generations.generation import Generation
from localized.generations.store import GenerationStore
from localized.render.render import masked, render
from localized.render.rendered import FileOwner
from localized.role import Role
from tests.localized.example import EXAMPLE, SECRETS, example, rendered

GROUPS = {FileOwner.ASTERISK: "root", FileOwner.NAMED: "root", FileOwner.ROOT: "root"}


@pytest.fixture
def store(tmp_path: Path) -> GenerationStore:
    return GenerationStore(Places(tmp_path / "config", tmp_path / "state", tmp_path / "run"))


def write(store: GenerationStore, role: Role, groups: dict[FileOwner, str] = GROUPS) -> Generation:
    return store.write(role, rendered(role), masked(example(), "boston", role, SECRETS), {"machine": "boston"}, groups)


def test_a_generation_is_named_by_number_role_and_digest_and_says_what_it_holds(store: GenerationStore) -> None:
    made = write(store, Role.PRIMARY)
    assert made.name.startswith("1-primary-")
    manifest = made.manifest()
    assert manifest["machine"] == "boston"
    listed = made.files()["asterisk/sip-registrations.conf"]
    assert (listed["mode"], listed["secret"], listed["reload"]) == ("0640", True, "chan_sip.so")
    assert (made.path / "asterisk/sip-registrations.conf").stat().st_mode & 0o777 == 0o640
    assert b"acme" in (made.path / "asterisk/sip-registrations.conf").read_bytes()
    assert b"secret'" not in made.shown("asterisk/sip-registrations.conf")


def test_the_same_files_are_the_same_generation(store: GenerationStore) -> None:
    assert write(store, Role.PRIMARY) == write(store, Role.PRIMARY)
    assert [made.number for made in store.all()] == [1]


@pytest.mark.parametrize("damage", ["change", "remove", "open"])
def test_a_generation_that_was_changed_by_hand_is_written_anew(store: GenerationStore, damage: str) -> None:
    made = write(store, Role.PRIMARY)
    file = made.path / "asterisk/sip-registrations.conf"
    if damage == "change":
        file.write_text("register => evil\n")
    elif damage == "remove":
        file.unlink()
    else:
        file.chmod(0o644)
    assert write(store, Role.PRIMARY).number == 2


def test_a_swap_moves_the_link_and_keeps_the_previous_one(store: GenerationStore) -> None:
    standby, primary = write(store, Role.STANDBY), write(store, Role.PRIMARY)
    assert store.activate(standby)
    assert store.activate(primary)
    assert not store.activate(primary)
    assert store.pointed_to("current") == primary
    assert store.pointed_to("previous") == standby
    assert (store.root / "current").readlink() == Path(f"generations/{primary.name}")


def test_every_file_differs_from_every_earlier_one_in_size_or_mtime(store: GenerationStore) -> None:
    seen: set[tuple[str, int, int]] = set()
    for round_ in range(3):
        made = write(store, Role.PRIMARY)
        for path in made.path.rglob("*.conf"):
            if ".masked" in path.parts:
                continue
            state = path.stat()
            key = (path.name, state.st_size, state.st_mtime_ns)
            assert key not in seen
            seen.add(key)
            # As a restored backup or a coarse clock would have it: the same time for all.
            os.utime(path, ns=(0, 1_000_000_000))
            seen.add((path.name, path.stat().st_size, 1_000_000_000))
        (made.path / "hosts").write_text(f"damage {round_}")


def test_a_touched_file_has_an_mtime_that_no_generation_has(store: GenerationStore) -> None:
    one, two = write(store, Role.PRIMARY), write(store, Role.STANDBY)
    name = "asterisk/pjsip-auth.conf"
    for made in (one, two):
        os.utime(made.path / name, ns=(0, 5))
    store.touch(two, [name])
    assert (two.path / name).stat().st_mtime_ns != 5
    assert two.path.joinpath(name).stat().st_mtime_ns != one.path.joinpath(name).stat().st_mtime_ns


def test_old_generations_go_and_those_in_use_stay(store: GenerationStore) -> None:
    first = write(store, Role.PRIMARY)
    store.activate(first)
    for _ in range(4):
        made = write(store, Role.STANDBY)
        (made.path / "hosts").write_text("damage")
    store.prune()
    assert [(made.number, made.role) for made in store.all()] == [
        (1, Role.PRIMARY),
        (4, Role.STANDBY),
        (5, Role.STANDBY),
    ]
    assert not [path for path in store.directory.iterdir() if path.name.startswith(".")]


def test_a_changed_address_of_the_pjsip_transports_needs_a_restart_and_a_changed_role_does_not(
    store: GenerationStore,
) -> None:
    primary, standby = write(store, Role.PRIMARY), write(store, Role.STANDBY)
    moved = example(EXAMPLE.replace('bind = "10.1.0.11"', 'bind = "10.1.0.12"').replace("10.1.0.0/16", "10.2.0.0/16"))
    files = render(moved, "boston", Role.PRIMARY, SECRETS)
    elsewhere = store.write(Role.PRIMARY, files, (), {"machine": "boston"}, GROUPS)
    assert needs_restart(primary, elsewhere)
    assert not needs_restart(primary, standby)
    assert not needs_restart(None, primary)


def test_a_real_directory_in_the_way_is_left_alone(store: GenerationStore) -> None:
    made = write(store, Role.PRIMARY)
    (store.root / "current").mkdir()
    (store.root / "current" / "mine").touch()
    with pytest.raises(NotWritable, match="is a directory, not a symbolic link"):
        store.activate(made)
    assert (store.root / "current" / "mine").exists()


def test_a_group_that_does_not_exist_is_said_and_nothing_is_left(store: GenerationStore) -> None:
    with pytest.raises(NotRenderable, match="no group 'nobody-has-this'"):
        write(store, Role.PRIMARY, GROUPS | {FileOwner.ASTERISK: "nobody-has-this"})
    assert store.all() == []


def test_what_a_killed_run_left_is_neither_a_generation_nor_kept(store: GenerationStore) -> None:
    store.directory.mkdir(parents=True)
    (store.directory / ".7-primary-000000000000.new").mkdir()
    (store.directory / "0-empty").mkdir()
    made = write(store, Role.PRIMARY)
    assert store.all() == [made]
    assert sorted(path.name for path in store.directory.iterdir()) == ["0-empty", made.name]


def test_what_asterisk_has_read_is_not_certain_after_a_swap_that_it_was_not_told_of(store: GenerationStore) -> None:
    """A machine that starts swaps to standby before its Asterisk: what was read as primary is gone with the power."""
    places = Places(store.root.parent, store.root.parent / "state", store.root.parent / "run")
    primary, standby = write(store, Role.PRIMARY), write(store, Role.STANDBY)
    store.activate(primary)
    loaded = ReloadState(places)
    loaded.remember(primary)
    assert loaded.name() == primary.name
    assert modules_to_reload(store, loaded, primary) == []
    store.activate(standby)
    store.activate(primary)
    assert loaded.name() is None
    assert "pbx_config.so" in modules_to_reload(store, loaded, primary)
