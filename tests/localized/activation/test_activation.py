"""Whole activations against a fake Asterisk, without root: swapped, reloaded, seen in its lists, and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host.clock import boot_id
from host.places import Places
from lab.computer.roots import Release
from lab.fakes.asterisk import FakeAsterisk, FakeRegistrar, Reply, fake_asterisk
from lab.world.pair_toml import AMI_SECRET
from localized.activation.activate import activate_unseen
from localized.activation.sentences import next_command
from localized.errors import ActivationIncomplete
from localized.generations.store import GenerationStore
from localized.prepare import prepare
from localized.role import Role
from pair import read
from pair.right import Right, right_file, write_right
from tests.localized.example import EXAMPLE, lay_out
from tests.localized.forked import Done, run_here

PRIMARY = ("--role", "primary", "--activate", "--peer-is-down", "it burns")
STANDBY = ("--role", "standby", "--activate")
OURS = {"5551000": "acme", "metro1": "metro", "nova%20user": "nova"}
"""Account, as the carrier sees it, and trunk."""


@dataclass
class Here:
    """boston, with its Asterisk, and the carriers."""

    places: Places
    asterisk: FakeAsterisk
    carriers: FakeRegistrar

    def run(self, *arguments: str) -> Done:
        return run_here(self.places, arguments)

    def told(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def active(self) -> str:
        found = GenerationStore(self.places).pointed_to("current")
        assert found is not None
        return found.role.value


@pytest.fixture(params=["16", "22"])
def here(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Here]:
    release: Release = request.param
    carriers = FakeRegistrar()
    control = tmp_path / "c"  # short: Asterisk cuts the path of its log
    control.mkdir()
    fake = FakeAsterisk("boston", release, tmp_path / "asterisk", carriers, control=control)
    with fake_asterisk(fake):
        own = f'command = "{fake.command}"\nami.port = {fake.port}\nregister_deadline_s = 2\nreload_deadline_s = 5\n'
        text = EXAMPLE.replace("[asterisk]\n", "[asterisk]\n" + own)
        if release == "22":
            text = text.replace('channel = "sip"', 'channel = "pjsip"')
        places = lay_out(tmp_path, text)
        (places.secrets / "ami").write_text(AMI_SECRET)
        (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
        made = Here(places, fake, carriers)
        assert made.run(*STANDBY, "--without-asterisk").returncode == 0
        fake.start_anew()
        yield made


def test_a_standby_registers_its_own_account_alone(here: Here) -> None:
    told = here.told(*STANDBY)
    assert {one["trunk"]: one["found"] for one in told["trunks"]} == {
        "acme": None,
        "metro": "Registered",
        "nova": None,
    }
    assert set(here.carriers.holders) == {"metro1"}
    assert told["next"] == "nothing to do"


def test_a_primary_registers_everything_and_back_as_standby_lists_none_of_it(here: Here) -> None:
    told = here.told(*PRIMARY)
    assert all(one["ok"] for one in told["trunks"])
    assert {OURS[account] for account in here.carriers.holders} == {"acme", "metro", "nova"}
    assert here.active() == "primary"
    assert here.told(*STANDBY)["exit"] == 0
    assert {OURS[account] for account in here.asterisk.listed()} == {"metro"}


def test_doing_it_twice_reloads_nothing(here: Here) -> None:
    assert here.told(*PRIMARY)["reloaded"]
    assert here.told(*PRIMARY)["reloaded"] == []
    assert here.told("--reload")["reloaded"]


def test_a_required_trunk_that_is_refused_fails_the_verification(here: Here) -> None:
    here.carriers.replies["5551000"] = Reply.REFUSED
    done = here.run(*PRIMARY)
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "acme: the carrier refused it with 403" in " ".join(done.stdout.split())
    assert here.active() == "primary"


def test_the_same_command_asks_again_for_what_was_refused(here: Here) -> None:
    here.carriers.replies["5551000"] = Reply.REFUSED
    assert here.run(*PRIMARY).returncode == 1
    here.carriers.replies.clear()
    assert here.told(*PRIMARY)["exit"] == 0


def test_what_the_carrier_keeps_for_the_peer_is_degraded_and_comes_when_it_lets_go(here: Here) -> None:
    here.carriers.exclusive.add("nova%20user")
    here.carriers.holders["nova%20user"] = "dallas"
    told = here.told(*PRIMARY, code=5)
    assert any("nova: its carrier refuses a second registration" in note for note in told["notes"])
    del here.carriers.holders["nova%20user"]
    assert here.told(*PRIMARY)["exit"] == 0


def test_a_silent_carrier_is_told_as_such(here: Here) -> None:
    here.carriers.replies["metro1"] = Reply.SILENCE
    here.asterisk.start_anew()
    told = here.told(*PRIMARY, code=5)
    assert any(note.startswith("metro: no answer from iax.metro.example yet") for note in told["notes"])


def test_an_asterisk_that_does_not_run_leaves_everything_as_it_was(here: Here) -> None:
    here.asterisk.kill()
    done = here.run(*PRIMARY)
    assert done.returncode == 1
    assert "Asterisk is not running" in done.stderr
    assert here.active() == "standby"
    here.asterisk.boot()
    assert here.told(*PRIMARY)["exit"] == 0


def test_a_frozen_asterisk_is_waited_for_by_the_deadline_alone(here: Here) -> None:
    text = here.places.pair_toml.read_text().replace("reload_deadline_s = 5", "reload_deadline_s = 1")
    here.places.pair_toml.write_text(text)
    here.asterisk.freeze()
    done = here.run(*PRIMARY)
    assert done.returncode == 1
    assert "did not answer 'core waitfullybooted'" in " ".join(done.stderr.split())
    assert here.active() == "standby"


def test_a_module_that_does_not_reload_is_half_way_and_the_same_command_completes_it(here: Here) -> None:
    here.asterisk.words["module reload res_pjsip.so"] = "The module 'res_pjsip.so' reported a reload failure\n"
    done = here.run(*PRIMARY)
    assert done.returncode == 4
    assert "is active on disk, and Asterisk did not follow" in " ".join(done.stderr.split())
    assert here.active() == "primary"
    here.asterisk.words.clear()
    assert here.told(*PRIMARY)["exit"] == 0


def test_another_role_in_the_dialplan_is_degraded(here: Here) -> None:
    here.asterisk.words["dialplan show globals"] = "   HOTSTANDBY_ROLE=standby\n"
    told = here.told(*PRIMARY, code=5)
    assert "The dialplan still says HOTSTANDBY_ROLE=standby: another file sets it." in told["notes"]


def test_a_file_that_asterisk_refuses_keeps_a_standby_registered_and_is_told_in_its_words(here: Here) -> None:
    assert here.told(*PRIMARY)["exit"] == 0
    here.asterisk.refuse("pjsip.conf", "Contents of config file 'pjsip.conf' are invalid and cannot be parsed")
    told = here.told(*STANDBY, code=1)
    assert any("must not register as standby" in note for note in told["notes"])
    assert any("goes on with what it had: Contents of config file 'pjsip.conf'" in note for note in told["notes"])
    assert "failover demote" in told["next"]
    here.asterisk.refuse("pjsip.conf", "")
    assert here.told(*STANDBY)["exit"] == 0


def test_a_module_that_registers_nothing_and_does_not_reload_is_degraded(here: Here) -> None:
    here.asterisk.words["module reload pbx_config.so"] = "The module 'pbx_config.so' reported a reload failure\n"
    told = here.told(*PRIMARY, code=5)
    assert any("Asterisk refused 'module reload pbx_config.so'" in note for note in told["notes"])


def test_a_driver_that_is_not_loaded_is_told_before_anything_is_swapped(here: Here) -> None:
    here.asterisk.without.add("iax2")
    here.asterisk.start_anew()
    done = here.run(*PRIMARY)
    assert done.returncode == 1
    assert "does not have what these trunks register with: chan_iax2 (metro)" in " ".join(done.stderr.split())
    assert here.active() == "standby"


def test_a_standby_is_told_how_to_start_where_its_asterisk_does_not_answer(here: Here) -> None:
    here.asterisk.kill()
    done = here.run(*STANDBY)
    assert done.returncode == 1
    assert "render-localized --role standby --activate --without-asterisk" in done.stderr
    here.asterisk.boot()


def test_where_the_lists_cannot_be_read_it_is_reloaded_all_the_same_and_said_to_be_unseen(here: Here) -> None:
    places = here.places
    pair = read(places)
    prepared = prepare(places, pair, "boston", Role.PRIMARY)
    write_right(right_file(places), Right("boston", 1, boot_id(), None, "a test"))
    outcome = activate_unseen(places, pair, "boston", prepared)
    assert outcome.comparison is None
    assert {"chan_iax2.so", "res_pjsip.so"} <= set(outcome.reloaded)
    assert "5551000" in here.carriers.holders
    assert next_command(outcome) == "start Asterisk, then: render-localized --role primary --activate"


def test_where_no_command_is_taken_either_it_is_incomplete(here: Here) -> None:
    places = here.places
    pair = read(places)
    prepared = prepare(places, pair, "boston", Role.PRIMARY)
    write_right(right_file(places), Right("boston", 1, boot_id(), None, "a test"))
    here.asterisk.words |= dict.fromkeys(RELOADS, "Asterisk cannot reload a module yet; not fully booted\n")
    with pytest.raises(ActivationIncomplete, match="Asterisk did not follow"):
        activate_unseen(places, pair, "boston", prepared)


RELOADS = ("sip reload", "iax2 reload", "module reload res_pjsip.so", "module reload pbx_config.so")


def test_what_is_registered_besides_is_left_to_a_primary_and_degrades_a_standby(here: Here) -> None:
    conf = here.places.config.parent / "asterisk" / "iax.conf"
    conf.write_text(conf.read_text() + "[general](+)\nregister => stranger:x@iax.elsewhere.example\n")
    told = here.told(*PRIMARY)
    assert told["foreign"] == ["stranger@"]
    assert here.told(*STANDBY, code=5)["foreign"] == ["stranger@"]


def test_a_hosts_file_whose_markers_are_damaged_is_degraded_and_told(here: Here) -> None:
    (here.places.config.parent / "hosts").write_text("# BEGIN hotstandby\n")
    told = here.told(*PRIMARY, code=5)
    assert any("does not hold exactly one line '# BEGIN hotstandby'" in note for note in told["notes"])


def test_what_the_admin_changed_in_his_own_file_is_read_by_the_same_command(here: Here) -> None:
    assert here.told(*PRIMARY)["exit"] == 0
    conf = here.places.config.parent / "asterisk" / "iax.conf"
    conf.write_text(conf.read_text() + "; another comment\n")
    assert here.told(*PRIMARY)["reloaded"] == ["chan_iax2.so"]


def test_nothing_is_reloaded_where_nothing_is_active(here: Here) -> None:
    (here.places.localized / "current").unlink()
    done = here.run("--reload")
    assert done.returncode == 2
    assert "points to no generation" in done.stderr


def test_a_rollback_goes_back_and_is_seen(here: Here) -> None:
    assert here.told(*PRIMARY)["exit"] == 0
    told = here.told("--rollback")
    assert told["role"] == "standby"
    assert set(here.asterisk.listed()) == {"metro1"}


def test_people_see_a_table_and_what_to_type_next(here: Here) -> None:
    done = here.run(*PRIMARY)
    assert "boston as primary: active and verified" in done.stdout
    assert done.stdout.splitlines()[-1] == "next  nothing to do"
