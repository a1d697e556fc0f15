"""What Asterisk has certainly read; and what is reloaded first after a swap: whatever takes longest to register."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.places import Places
from localized.activation.reload_state import (
    ReloadState,
    files_read,
    forget_reload_state,
    in_order,
    modules_to_reload,
    reload_state_file,
)
from localized.errors import NotWritable
from localized.generations.generation import Generation
from localized.generations.store import GenerationStore
from localized.prepare import prepare
from localized.role import Role
from pair import read
from tests.localized.example import lay_out

ALL = ["chan_iax2.so", "chan_sip.so", "pbx_config.so", "res_pjsip.so"]


@pytest.mark.parametrize(
    ("channels", "first", "beside"),
    [
        ({"sip", "iax2", "pjsip"}, ["res_pjsip.so", "chan_sip.so", "chan_iax2.so"], ["pbx_config.so"]),
        ({"sip", "iax2"}, ["chan_sip.so", "chan_iax2.so"], ["pbx_config.so", "res_pjsip.so"]),
        (set(), [], ALL),
    ],
)
def test_what_registers_comes_first_and_the_slowest_first_of_all(
    channels: set[str], first: list[str], beside: list[str]
) -> None:
    assert in_order(ALL, channels) == (first, beside)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return lay_out(tmp_path)


def active(places: Places, role: Role) -> Generation:
    generation = prepare(places, read(places), "boston", role).generation
    GenerationStore(places).activate(generation)
    return generation


def test_what_was_remembered_holds_for_one_swap_alone(places: Places) -> None:
    standby = active(places, Role.STANDBY)
    state = ReloadState(places)
    state.remember(standby, {"chan_sip.so": "as it was"})
    assert state.name() == standby.name
    assert state.changed({"chan_sip.so": "as it was", "chan_iax2.so": "never told"}) == []
    assert state.changed({"chan_sip.so": "another"}) == ["chan_sip.so"]
    assert modules_to_reload(GenerationStore(places), state, standby) == []
    primary = active(places, Role.PRIMARY)
    assert state.name() is None
    every = ["chan_iax2.so", "chan_sip.so", "pbx_config.so", "res_pjsip.so"]
    assert modules_to_reload(GenerationStore(places), state, primary) == every


def test_what_was_refused_is_told_until_something_is_remembered(places: Places) -> None:
    standby, state = active(places, Role.STANDBY), ReloadState(places)
    state.note_refused(["/etc/asterisk/pjsip.conf", "users.conf"])
    assert state.refused() == ["chan_iax2.so", "chan_sip.so", "res_pjsip.so"]
    assert state.name() is None
    state.remember(standby)
    assert state.refused() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"generation": "x"}', '{"swapped_ns": 1}'])
def test_what_cannot_be_read_is_not_certain(places: Places, text: str) -> None:
    active(places, Role.STANDBY)
    reload_state_file(places).parent.mkdir(parents=True, exist_ok=True)
    reload_state_file(places).write_text(text)
    assert ReloadState(places).name() is None
    assert ReloadState(places).refused() == []


def test_it_is_forgotten_or_nothing_is_swapped(places: Places) -> None:
    state = ReloadState(places)
    state.remember(active(places, Role.STANDBY))
    forget_reload_state(places)
    assert state.name() is None
    reload_state_file(places).mkdir()
    with pytest.raises(NotWritable, match="The active generation is untouched"):
        state.forget()


def test_a_file_of_the_admins_changes_its_own_modules_digest(places: Places) -> None:
    asterisk = read(places).asterisk_on("boston")
    current = places.localized / "current"
    before = files_read(asterisk, current)
    conf = Path(asterisk.config_dir) / "iax.conf"
    conf.write_text(conf.read_text() + "; more\n")
    after = files_read(asterisk, current)
    assert [module for module in before if before[module] != after[module]] == ["chan_iax2.so"]
    conf.unlink()
    assert files_read(asterisk, current)["chan_iax2.so"] != after["chan_iax2.so"]
