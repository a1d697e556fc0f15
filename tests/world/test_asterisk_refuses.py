"""Configurations that a real Asterisk refuses: told in its own words, read again once mended, and no standby that stays
registered."""

from __future__ import annotations

import json

import pytest

from lab import Machine, Release, World
from tests.world.activating import AGAIN, TRUNKS, primary, render, standby, words
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    opened = worlds(boston=release, dallas=release, expiry_s=20, trunks=TRUNKS)
    toml = opened.boston.path("/etc/hotstandby/pair.toml")
    toml.write_text(toml.read_text().replace("[asterisk]\n", "[asterisk]\nregister_deadline_s = 2.5\n"))
    return opened


@pytest.fixture(autouse=True)
def begins_as_standby(world: World) -> None:
    world.boston.start_asterisk()
    done = standby(world.boston)
    assert done.returncode == 0, words(done)


def held(machine: Machine) -> str:
    return machine.asterisk("pjsip show registrations")


def test_a_standby_whose_files_asterisk_cannot_read_is_told_and_the_same_command_has_them_read(world: World) -> None:
    """Asterisk forgets what a file includes that it could not open, and takes it for unchanged ever after."""
    assert primary(world.boston).returncode in (0, 5)
    conf = world.boston.path("/etc/asterisk/pjsip.conf")
    conf.chmod(0o600)
    try:
        done = standby(world.boston)
    finally:
        conf.chmod(0o644)
    assert done.returncode == 1
    assert "refused what was activated, and goes on with what it had: Unable to load config file" in words(done)
    assert "failover demote" in words(done)
    assert "nova/" in held(world.boston)
    again = standby(world.boston)
    assert again.returncode == 0, words(again)
    assert "nova/" not in held(world.boston)


def test_a_demotion_ends_an_asterisk_that_refuses_the_standby_files(world: World) -> None:
    assert primary(world.boston).returncode in (0, 5)
    conf = world.boston.path("/etc/asterisk/pjsip.conf")
    before = conf.read_text()
    conf.write_text(before + "\n[nova](+type=registration)\noutbound_proxy = sip:192.0.2.5\\;lr\n")
    try:
        refused = standby(world.boston)
        assert refused.returncode == 2
        assert "(+) adds to [nova], with type=registration, which does not exist" in words(refused)
        assert "This machine stays primary, and registered." in words(refused)
        done = world.boston.run(["failover", "demote", "a test says so"], deadline_s=60)
        assert done.returncode in (0, 5), words(done)
        assert "refuses what would end that: Category addition requested, but category 'nova'" in words(done)
        assert not world.boston.processes("asterisk")
    finally:
        conf.write_text(before)
        world.boston.kill_asterisk()


def test_credentials_that_asterisk_refuses_are_told_though_everything_is_registered(world: World) -> None:
    """Two auth objects of one name: Asterisk goes on with those it has, and has none after its next start."""
    conf = world.boston.path("/etc/asterisk/pjsip.conf")
    template = "/etc/hotstandby/templates/asterisk/pjsip-own.conf.j2"
    before = conf.read_text()
    try:
        conf.write_text(before + "\n[nova]\ntype = auth\nauth_type = userpass\nusername = x\npassword = y\n")
        stopped = primary(world.boston)
        assert stopped.returncode == 2
        assert "[nova] is a second object of type auth with that name" in words(stopped)
        conf.write_text(before)
        world.boston.write(template, "{# hotstandby: reload=res_pjsip.so #}\n[odd]\ntype = auth\nodd = 1\n")
        conf.write_text(before + "\n#tryinclude /etc/hotstandby/localized/current/asterisk/pjsip-own.conf\n")
        told = primary(world.boston)
        assert told.returncode in (0, 5), words(told)
        assert "Could not find option suitable for category 'odd' named 'odd'" in words(told)
    finally:
        conf.write_text(before)
        world.boston.path(template).unlink(missing_ok=True)


def test_what_the_admin_mended_in_his_own_file_is_read_by_the_same_command(world: World) -> None:
    conf = world.boston.path("/etc/asterisk/iax.conf")
    before = conf.read_text()
    assert primary(world.boston).returncode in (0, 5)
    conf.write_text(before.replace("autokill = yes", "autokill = no"))
    assert json.loads(render(world.boston, *AGAIN, "--json").stdout)["reloaded"] == ["chan_iax2.so"]
    conf.write_text(before)
    assert json.loads(render(world.boston, *AGAIN, "--json").stdout)["reloaded"] == ["chan_iax2.so"]
    assert json.loads(render(world.boston, *AGAIN, "--json").stdout)["reloaded"] == []


def test_a_carriers_answer_is_told_with_its_code(world: World) -> None:
    secret = world.boston.path("/etc/hotstandby/secrets/nova")
    good = secret.read_text()
    secret.write_text("wrong\n")
    try:
        done = primary(world.boston)
    finally:
        secret.write_text(good)
    assert "nova: the carrier refused it with 401" in words(done)
    again = render(world.boston, *AGAIN)
    assert again.returncode in (0, 5), words(again)


def test_a_gate_that_the_running_dialplan_does_not_ask_is_an_error_of_check_and_shown_by_status(world: World) -> None:
    conf = world.boston.path("/etc/asterisk/extensions.conf")
    before = conf.read_text()

    def told(command: str) -> str:
        done = world.boston.run(["failover", command], deadline_s=60)
        return words(done)

    assert "refuses (503)" in told("status")
    try:
        conf.write_text(before.replace(" same => n,Gosub(hotstandby-gate,s,1(better))\n", ""))
        world.boston.asterisk("dialplan reload")
        assert "no line of the running dialplan asks the gate for it" in told("check")
        assert "ANSWERS: no gate" in told("status")
    finally:
        conf.write_text(before)
        world.boston.asterisk("dialplan reload")
