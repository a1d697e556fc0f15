"""This machine's own configuration: does it read what we render, inside the right section, and nothing else besides."""

from __future__ import annotations

from pathlib import Path

import pytest

from localized.checks import own_configuration
from localized.checks.problem import ConfigProblem, Severity
from localized.errors import NotRenderable
from localized.prepare import facts, prepare, prepare_or_last
from localized.render.facts import TemplateFacts
from localized.role import Role
from pair import read
from tests.localized.example import EXAMPLE, lay_out


class Here:
    def __init__(self, directory: Path, text: str = EXAMPLE) -> None:
        self.places = lay_out(directory, text)
        self.asterisk = directory / "asterisk"
        self.current = self.places.localized / "current" / "asterisk"
        self.pair = read(self.places)
        self.generation = prepare(self.places, self.pair, "boston", Role.PRIMARY).generation

    def facts(self) -> TemplateFacts:
        return facts(self.pair, "boston", Role.PRIMARY)

    def problems(self) -> list[ConfigProblem]:
        return own_configuration.check(self.facts(), self.places.localized, self.generation.path)

    def change(self, name: str, old: str, new: str) -> None:
        path = self.asterisk / name
        text = path.read_text() if path.exists() else ""
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_a_machine_that_is_wired_as_documented_has_no_problem(here: Here) -> None:
    assert here.problems() == []


def test_what_cannot_be_rendered_now_is_served_from_what_was_rendered_last(here: Here) -> None:
    (here.places.secrets / "acme").unlink()
    with pytest.raises(NotRenderable):
        prepare(here.places, here.pair, "boston", Role.PRIMARY)
    used = prepare_or_last(here.places, here.pair, "boston", Role.PRIMARY)
    assert used.generation == here.generation
    (told,) = used.problems
    assert told.severity is Severity.WARNING
    assert str(told).startswith(f"{here.generation.name}, rendered earlier, is used")
    assert "secrets/acme cannot be read" in str(told)
    here.change("sip.conf", "[general]", "[phones]")  # what Asterisk would not read stops it all the same
    used = prepare_or_last(here.places, here.pair, "boston", Role.PRIMARY)
    assert Severity.BLOCKER in {one.severity for one in used.problems}


def test_what_was_rendered_last_is_not_used_where_it_is_not_whole(here: Here) -> None:
    (here.places.secrets / "acme").unlink()
    (here.generation.path / "asterisk" / "sip-registrations.conf").write_text("")
    with pytest.raises(NotRenderable, match="secrets/acme cannot be read"):
        prepare_or_last(here.places, here.pair, "boston", Role.PRIMARY)


@pytest.mark.parametrize(
    ("name", "old", "new", "weight", "said"),
    [
        ("sip.conf", "/sip-registrations.conf", "/gone.conf", Severity.BLOCKER, "is included and is missing"),
        (
            "sip.conf",
            '#include "',
            '; #include "',
            Severity.BLOCKER,
            "does not include asterisk/sip-registrations.conf",
        ),
        ("sip.conf", "[general]", "[phones]", Severity.BLOCKER, "inside [phones], where Asterisk does not look"),
        (
            "iax.conf",
            "[general]\n",
            "[general]\n[x\n",
            Severity.BLOCKER,
            "Asterisk refuses the whole of iax.conf",
        ),
        (
            "extensions.conf",
            "[globals]\n",
            "",
            Severity.BLOCKER,
            "inside [general], where Asterisk does not look",
        ),
        ("extensions.conf", "[general]", "[globals]\nA=1\n[general]", Severity.WARNING, "first [globals]"),
        ("pjsip.conf", "type = transport", "type = endpoint", Severity.WARNING, "which is no transport"),
        (
            "pjsip.conf",
            "[nova-in]",
            "[a]\ntype=registration\nclient_uri=sip:nova user@x\n[nova-in]",
            Severity.ERROR,
            "nova",
        ),
        ("sip.conf", "[phones]", "[phones]\nregister => 5551000:x@h", Severity.WARNING, ""),
        (
            "sip.conf",
            "[general]\n",
            "[general]\nregister => 5551000:x@h\n",
            Severity.ERROR,
            "registers 5551000 itself",
        ),
        ("sip.conf", "[phones]", "[phones]\ncallbackextension = 1\n", Severity.ERROR, "callbackextension"),
        ("users.conf", "", "[6000]\nhost = h\nregistersip = yes\n", Severity.ERROR, "registersip"),
        (
            "pjsip_wizard.conf",
            "",
            "[w]\ntype=wizard\nremote_hosts=h\nsends_registrations = yes\n",
            Severity.ERROR,
            "sends_registrations",
        ),
        ("sip.conf", "[phones]", "[phones]\n;-- no end", Severity.WARNING, "never ends"),
    ],
)
def test_what_is_wired_wrongly_is_found(here: Here, name: str, old: str, new: str, weight: Severity, said: str) -> None:
    here.change(name, old, new)
    found = here.problems()
    if not said:
        assert found == []  # outside of [general] it is no registration
        return
    assert any(problem.severity is weight and said in problem.text for problem in found), found


def test_an_include_that_an_include_swallows_is_found(here: Here) -> None:
    (here.asterisk / "trunks.conf").write_text("a = 1\n[broken\nb = 2\n")
    here.change("sip.conf", "[general]\n", "[general]\n#include trunks.conf\n")
    assert any(problem.severity is Severity.ERROR and "drops the rest" in problem.text for problem in here.problems())


def test_a_symbolic_link_to_our_file_is_as_good_as_its_name(here: Here) -> None:
    (here.asterisk / "sip_reg.conf").symlink_to(here.current / "sip-registrations.conf")
    here.change("sip.conf", f"{here.current}/sip-registrations.conf", "sip_reg.conf")
    assert here.problems() == []


def test_freepbx_generated_registrations_of_our_trunks_are_found(tmp_path: Path) -> None:
    here = Here(tmp_path, EXAMPLE.replace("[asterisk]\n", "[asterisk]\nfreepbx = true\n"))
    for name, file in (
        ("sip.conf", "sip_registrations_custom.conf"),
        ("iax.conf", "iax_registrations_custom.conf"),
        ("pjsip.conf", "pjsip.registration_custom.conf"),
    ):
        plain = {"sip.conf": "sip-registrations", "iax.conf": "iax-registrations", "pjsip.conf": "pjsip-registrations"}
        here.change(name, f"{plain[name]}.conf", file)
    assert here.problems() == []
    (here.asterisk / "sip_registrations.conf").write_text("register=5551000:pw@sip.acme.example\n")
    (here.asterisk / "pjsip.registration.conf").write_text("[t]\ntype=registration\nclient_uri=sip:other@h\n")
    found = [problem for problem in here.problems() if problem.severity is Severity.ERROR]
    assert len(found) == 1
    assert "FreePBX generates, registers trunk acme" in found[0].text


@pytest.mark.parametrize(
    "line",
    [
        "5551000:pw@sip.acme.example",
        "tls://5551000:pw@sip.acme.example:5061",
        "tcp://5551000:pw@sip.acme.example",
        "udp://5551000:pw@sip.acme.example",
        "acme?tcp://5551000:pw@sip.acme.example",
        "tls://5551000@acme.example:pw:5551000@sip.acme.example:5061/5551000~300",
        '"5551000":pw@sip.acme.example',
        "5551000@acme.example:5061:pw:auth@sip.acme.example",
    ],
)
def test_a_register_line_is_read_as_chan_sip_reads_it_whatever_it_begins_with(here: Here, line: str) -> None:
    here.change("sip.conf", "[general]\n", f"[general]\nregister => {line}\n")
    found = [one for one in here.problems() if one.severity is Severity.ERROR]
    assert [one.text.partition("registers ")[2] for one in found] == [
        "5551000 itself, in either role; it is trunk acme. Remove the line."
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "weight", "said"),
    [
        (
            "iax.conf",
            "[general]\n",
            "[general]\nbindport = 4569\n[guest]\n[general]\n",
            Severity.BLOCKER,
            "reads the first",
        ),
        (
            "sip.conf",
            "[general]\n",
            "[general]\n#include more.conf\n",
            Severity.BLOCKER,
            "more.conf:1, and Asterisk reads",
        ),
        ("sip.conf", "[general]\n", "[general](!)\n[general](general)\n", None, ""),
        ("sip.conf", "[general]\n", "[general]\na=1\n[x]\n[general](+)\n", None, ""),
        ("sip.conf", "[general]\n", "[general](!)\n", Severity.BLOCKER, "inside [general](!), a template"),
        ("sip.conf", "[phones]", "[general]\nallow=all\n[phones]", Severity.WARNING, "is a second [general]"),
        (
            "sip.conf",
            "[phones]",
            "[general]\nregister => 5551000:x@h\n[phones]",
            Severity.WARNING,
            "is a second [general]",
        ),
        (
            "pjsip.conf",
            "[nova-in]",
            "[nova]\ntype = auth\n[nova-in]",
            Severity.BLOCKER,
            "second object of type auth",
        ),
        ("pjsip.conf", "[nova-in]", "[t](!)\ntype=auth\n[nova](t)\n[nova-in]", Severity.BLOCKER, "of type auth"),
        ("pjsip.conf", "[nova-in]", "[Nova]\ntype = auth\n[nova-in]", None, ""),  # told apart by case
        ("pjsip.conf", "[nova-in]", "[nova]\ntype = auth-x\n[nova-in]", None, ""),
        (
            "pjsip.conf",
            "[nova-in]",
            "[nova]\ntype=registration\n[nova-in]",
            Severity.BLOCKER,
            "of type registration",
        ),
        ("pjsip.conf", "[nova-in]", "[bob]\ntype=aor\n[bob]\ntype=aor\n[nova-in]", Severity.ERROR, "of type aor"),
        (
            "pjsip.conf",
            "[nova-in]",
            "[nova](+type=registration)\n[nova-in]",
            Severity.BLOCKER,
            "refuses the whole of pjsip",
        ),
        (
            "extconfig.conf",
            "",
            "[settings]\nsip.conf => odbc,asterisk\n",
            Severity.ERROR,
            "takes sip.conf from a database",
        ),
        (
            "extconfig.conf",
            "",
            "[settings]\nglobal => odbc,asterisk\n",
            Severity.ERROR,
            "every file that is not named",
        ),
        ("extconfig.conf", "", "[settings]\nqueues.conf => odbc,asterisk\n", None, ""),
        ("extconfig.conf", "", "[settings]\nsippeers => odbc,asterisk\n", Severity.WARNING, "callbackextension"),
        ("extconfig.conf", "", "[x]\nsip.conf => odbc,asterisk\n", None, ""),
        (
            "extconfig.conf",
            "",
            "[settings]\nphones.conf => odbc,asterisk\n",
            Severity.WARNING,
            "takes phones.conf, which",
        ),
        (
            "sorcery.conf",
            "",
            "[res_pjsip_outbound_registration]\nregistration=realtime,ps_registrations\n"
            "registration=config,pjsip.conf,criteria=type=registration\n",
            Severity.WARNING,
            "takes objects of type registration from realtime as well, which is not looked at",
        ),
        (
            "sorcery.conf",
            "",
            "[res_pjsip]\nauth/cache=realtime,ps_auths\n",
            Severity.BLOCKER,
            "objects of type auth from realtime alone",
        ),
        (
            "sorcery.conf",
            "",
            "[res_pjsip_outbound_registration]\nregistration=config,pjsip_trunks.conf,criteria=type=registration\n",
            Severity.BLOCKER,
            "pjsip_trunks.conf is missing",
        ),
        ("sorcery.conf", "", "[res_pjsip]\nendpoint=realtime,ps_endpoints\n", None, ""),
        ("sorcery.conf", "", "[other]\nregistration=realtime,ps_registrations\n", None, ""),
    ],
)
def test_what_asterisk_reads_otherwise_than_it_looks_is_found(
    here: Here, name: str, old: str, new: str, weight: Severity | None, said: str
) -> None:
    (here.asterisk / "more.conf").write_text("[general]\nexternhost = pbx.example\n")
    if "phones.conf" in new:
        (here.asterisk / "phones.conf").write_text("")
        here.change("sip.conf", "[phones]\n", "[phones]\n#include phones.conf\n")
    here.change(name, old, new)
    found = here.problems()
    if weight is None:
        assert found == []
        return
    assert any(problem.severity is weight and said in problem.text for problem in found), found


def test_registrations_that_sorcery_takes_from_another_file_are_looked_for_there(here: Here) -> None:
    here.change(
        "sorcery.conf",
        "",
        "[res_pjsip_outbound_registration]\nregistration=config,trunks.conf,criteria=type=registration\n",
    )
    (here.asterisk / "trunks.conf").write_text(
        f'[a]\ntype=registration\nclient_uri=sip:nova%20user@x\n#include "{here.current}/pjsip-registrations.conf"\n'
    )
    texts = [one.text for one in here.problems()]
    assert any("trunks.conf:1 registers nova user itself" in text for text in texts), texts
    assert not any("does not include" in text for text in texts)


WIZARD = "type=wizard\nsends_registrations=yes\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        # Each as somebody reported it: docs/understand/field-cases.md has the sources.
        (
            "sorcery.conf",
            "[res_pjsip]\nregistration = realtime,ps_registrations\n",
            "takes objects of type registration from realtime alone",
        ),
        ("pjsip.conf", "[karin]\ntype=auth\n[karin]\ntype=auth\n", "second object of type auth"),
        ("pjsip.conf", "#include pjsip_custom.conf\n", "Asterisk refuses the whole of pjsip.conf"),
        ("sip.conf", "[blah](sometemplate)\n[sometemplate](!)\n", "inherits from 'sometemplate', which does not exist"),
        ("pjsip_wizard.conf", f"[2Node2]\n{WIZARD}remote_hosts=h\n", "[2Node2] makes PJSIP register"),
        ("pjsip_wizard.conf", f"[t](!)\n{WIZARD}[a](t)\nremote_hosts=h\n", "[a] makes PJSIP register"),
        ("pjsip_wizard.conf", f"[t](!)\n{WIZARD}remote_hosts=h\n", None),
        ("sip.conf", "[general](+)\nregister => 5551000:pw@sip.acme.example/5551000\n", "registers 5551000 itself"),
        ("pjsip.conf", "#tryinclude pjsip.d/*.conf\n", None),
        ("pjsip.conf", "#include pjsip.d/*.conf\n", "is included and is missing"),
        ("pjsip.conf", "[transport-udp](+type=transport)\nallow_reload=yes\n", None),
        ("pjsip.conf", "#exec /usr/local/bin/trunks\n", "needs execincludes"),
        ("pjsip.conf", "[x]\n: a comment that is none\n", "no '=' in the line"),
        ("sip.conf", "[phone1]\nhost=h\ncallbackextension=1\n", "[phone1] makes chan_sip register"),
        (
            "pjsip.conf",
            "[t](!)\ntype=registration\n[other](t)\nclient_uri=sip:nova%20user@sip.nova.example\n",
            "registers nova user itself",
        ),
    ],
)
def test_what_people_reported_is_found_or_left_alone(here: Here, name: str, text: str, said: str | None) -> None:
    path = here.asterisk / name
    path.write_text((path.read_text() if path.exists() else "") + text)
    found = here.problems()
    if said is None:
        assert found == []
        return
    assert any(said in problem.text for problem in found), found
