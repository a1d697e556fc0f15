"""Configurations that a real Asterisk refuses: told in its own words, read again once mended, and no standby that stays
registered."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from lab import Machine, Release, World
from lab.until import until
from localized.asterisk.configuration import LocalDisk, read_conf
from localized.asterisk.refusals import read_log
from localized.asterisk.sorcery import TYPES, duplicates, sources
from localized.render.register_line import read_sip_line
from tests.world.conftest import Worlds
from tests.world.localized.activating import AGAIN, TRUNKS, primary, render, standby, words

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
        done = world.boston.run(["failover", "demote", "a test says so"])
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
        done = world.boston.run(["failover", command])
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


PJSIP: Final = {
    "two auths": 2 * "[a]\ntype=auth\nusername=a\npassword=b\n",
    "told apart by case": "[a]\ntype=auth\nusername=a\npassword=b\n[A]\ntype=auth\nusername=a\npassword=b\n",
    "one of each type": "[a]\ntype=auth\n[a]\ntype=aor\n[a]\ntype=identify\nendpoint=carrier\nmatch=192.0.2.9\n",
    "from one template": "[t](!)\ntype=aor\n[a](t)\n[a](t)\n",
    "the template is no object": "[a](!)\ntype=aor\n[a](a)\n",
    "added to": "[a]\ntype=aor\n[a](+type=aor)\nmax_contacts=1\n",
    "added to what is no aor": "[a]\ntype=auth\n[a](+type=aor)\nmax_contacts=1\n",
    "the first type counts": "[t](!)\ntype=aor\n[a](t)\ntype=auth\n[a]\ntype=aor\n",
    "the type in its very spelling": "[a]\ntype=AOR\n[a]\ntype=aor\n",
    "the option in any spelling": "[a]\nType=aor\n[a]\ntype=aor\n",
    "two registrations": 2 * "[a]\ntype=registration\nclient_uri=sip:a@192.0.2.9\nserver_uri=sip:192.0.2.9\n",
    # What people reported: see docs/understand/field-cases.md.
    "the same customer twice in a custom file": "[karin]\ntype=endpoint\n"
    + 2 * "[karin]\ntype=auth\nusername=karin\npassword=b\n",
    "a custom file that is not there": "#include pjsip_custom.conf\n",
    "a template behind its use": "[blah](sometemplate)\ntype=aor\n[sometemplate](!)\nmax_contacts=1\n",
    "a custom file that may be absent": "#tryinclude pjsip.d/*.conf\n",
    "a wildcard that finds nothing": "#include pjsip.d/*.conf\n",
    "a transport of the GUI": "[0.0.0.0-udp](+type=transport)\nallow_reload=yes\n",
    "a colon for a semicolon": "[x]\n: a comment that is none\n",
    "an option that no endpoint has": "[general]\ntransport=udp\n[1001]\ntype=endpoint\naor=1001\n",
    "a program's output": "#exec /usr/local/bin/pjsip-trunks\n[a]\ntype=aor\n[a]\ntype=aor\n",
    "a comment that ends nothing": "[a]\ntype=aor\npassword = x--;\n[a]\ntype=aor\n",
}


def test_what_sorcery_refuses_is_what_we_say_it_would(world: World) -> None:
    machine = world.boston
    conf, log = machine.path("/etc/asterisk/pjsip.conf"), machine.path("/var/log/asterisk/messages")
    before = conf.read_text()
    wrong = []
    try:
        for name, text in PJSIP.items():
            size = log.stat().st_size
            conf.write_text(before + text)
            machine.asterisk("module reload res_pjsip.so")
            theirs = set()
            # Said last, of what the general section holds that is read at the start alone; and then it is there whole.
            until(lambda at=size: "is not reloadable" in log.read_text()[at:], "the end of the reload")  # type: ignore[misc]
            machine.asterisk("core show uptime")
            said = log.read_text()[size:]
            for one in read_log(said).refusals:
                if one.whole:
                    theirs.add(one.type or "everything")
            read = read_conf("pjsip.conf", "/etc/asterisk", LocalDisk(lambda path: str(machine.path(path))))
            assert read is not None
            ours = {"everything"} if read.refused is not None else set()
            ours |= {type_ for type_ in TYPES for _ in duplicates(read, *sources(None, type_))}
            if ours != theirs:
                wrong.append((name, ours, theirs, said[-600:]))
    finally:
        conf.write_text(before)
        machine.asterisk("module reload res_pjsip.so")
    assert [one[:3] for one in wrong] == [], wrong


LINES: Final = [
    "5551:pw@192.0.2.9",
    "5551:pw@192.0.2.9",
    "5551:other@192.0.2.9",
    "tls://5552:pw@192.0.2.9:5061",
    "peer?tcp://5553:pw@192.0.2.9",
    "5554@ims.example:pw:auth@192.0.2.9/100~60",
    "nobody",
    "a/b:c@192.0.2.9",
    "5555:5060:pw:auth@192.0.2.9",
    '"5556":pw@192.0.2.9',
    "5557@192.0.2.9",
]


def test_the_drivers_register_with_what_we_read_of_each_line(world: World) -> None:
    """chan_sip takes the same line once; chan_iax2 takes every line for a registration of its own."""
    machine = world.boston
    text = "\n[general](+)\n" + "".join(f"register => {line}\n" for line in LINES) + "[general]\nregister => lost:x@h\n"
    for file, command, shown in (
        ("sip.conf", "sip reload", "sip show registry"),
        ("iax.conf", "iax2 reload", "iax2 show registry"),
    ):
        if file == "sip.conf" and world.releases["boston"] != "16":
            continue
        conf = machine.path(f"/etc/asterisk/{file}")
        before = conf.read_text()
        if file == "sip.conf":
            taken = [read.username for line in dict.fromkeys(LINES) if (read := read_sip_line(line)) is not None]
        else:
            # One whose server it cannot look up it drops.
            known = [line for line in LINES if line.partition("@")[2].startswith("192.0.2.9")]
            taken = [line.partition("@")[0].partition(":")[0] for line in known]
        expected = sorted(name[:12] for name in taken)
        try:
            conf.write_text(before + text)
            machine.asterisk(command)
            until(
                lambda show=shown, users=expected: _users(machine.asterisk(show)) == users,  # type: ignore[misc]
                f"registrations of {expected}",
                told=lambda show=shown: machine.asterisk(show),  # type: ignore[misc]
            )
        finally:
            conf.write_text(before)
            machine.asterisk(command)


def _users(shown: str) -> list[str]:
    """The user names of a driver's list, but that of the machine's own account."""
    rows = [re.split(r"\s+", line) for line in shown.splitlines() if "192.0.2.9" in line]
    # chan_sip shows the domain, or its port, behind the name.
    return sorted(re.split("[@:]", row[2])[0] for row in rows)
