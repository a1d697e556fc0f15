"""Rendering: pure, strict, escaped; and what it looks like (golden/)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localized.asterisk.configuration import read_text
from localized.errors import NotRenderable
from localized.render.facts import MASK
from localized.render.register_line import read_iax, read_sip
from localized.render.render import masked, render, template_names
from localized.render.rendered import FileOwner
from localized.render.syntax import sip_host
from localized.role import Role
from pair import PairInvalid
from tests.localized.example import SECRETS, example, files, rendered

HEAD = """\
[pair]
name = "secondsignal"
[machines.boston]
public_address = "192.0.2.11"
preferred = true
[machines.dallas]
public_address = "192.0.2.12"
"""
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("role", [Role.PRIMARY, Role.STANDBY])
def test_what_is_rendered_is_what_the_golden_files_show(role: Role) -> None:
    """Written anew with HOTSTANDBY_GOLDEN=write, then read by a person before they are committed."""
    made = {path: text for path, text in files(role).items() if not path.startswith("unison/")}
    if os.environ.get("HOTSTANDBY_GOLDEN") == "write":
        for path, text in made.items():
            target = GOLDEN / role.value / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    shown = {
        path.relative_to(GOLDEN / role.value).as_posix(): path.read_text()
        for path in (GOLDEN / role.value).rglob("*")
        if path.is_file()
    }
    assert made == shown


def test_the_same_input_gives_the_same_bytes() -> None:
    assert rendered(Role.PRIMARY) == rendered(Role.PRIMARY)


def test_a_standby_registers_what_is_per_machine_and_nothing_else() -> None:
    made = files(Role.STANDBY)
    assert "register =>" not in made["asterisk/sip-registrations.conf"]
    assert "register => metro1:" in made["asterisk/iax-registrations.conf"]
    assert "[nova]" not in made["asterisk/pjsip-registrations.conf"]


def test_auth_objects_are_the_same_in_both_roles_and_in_no_swapped_file() -> None:
    assert files(Role.PRIMARY)["asterisk/pjsip-auth.conf"] == files(Role.STANDBY)["asterisk/pjsip-auth.conf"]
    assert "type = auth" not in files(Role.PRIMARY)["asterisk/pjsip-registrations.conf"]


def test_secrets_stand_in_files_that_root_and_asterisk_alone_may_read() -> None:
    for file in rendered(Role.PRIMARY):
        holds = any(secret in file.data.decode().replace("\\;", ";") for secret in ("acme; 'secret'", "metro-secret"))
        assert file.secret or not holds, file.path
        assert (file.mode, file.owner) == (0o640, FileOwner.ASTERISK) or not file.secret


def test_masked_files_hold_no_secret() -> None:
    for file in masked(example(), "boston", Role.PRIMARY, SECRETS):
        for secret in SECRETS.values():
            assert len(secret) < 3 or secret not in file.data.decode().replace("\\;", ";")
    hidden = {file.path: file.data.decode() for file in masked(example(), "boston", Role.PRIMARY, SECRETS)}
    assert f"password = {MASK}" in hidden["asterisk/pjsip-auth.conf"]


@pytest.mark.parametrize("role", [Role.PRIMARY, Role.STANDBY])
def test_no_file_holds_what_asterisk_would_swallow(role: Role) -> None:
    for file in rendered(role):
        if file.path.startswith("asterisk/"):
            conf = read_text(file.data, section="general")
            assert (conf.refused, conf.findings) == (None, []), file.path


def admin(directory: Path, **templates: str) -> Path:
    for name, text in templates.items():
        path = directory / f"{name.replace('__', '/')}.j2"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def made_with(directory: Path) -> dict[str, str]:
    made = render(example(), "boston", Role.PRIMARY, SECRETS, admin_templates=directory)
    return {file.path: file.data.decode() for file in made}


def test_an_admins_template_takes_the_place_of_ours(tmp_path: Path) -> None:
    assert made_with(admin(tmp_path, hosts="# mine {{ machine }}\n"))["hosts"] == "# mine boston\n"


def test_an_admins_template_of_another_name_is_rendered_as_well_with_its_rights(tmp_path: Path) -> None:
    text = "{# hotstandby: reload=app_queue.so secret #}\n[q]\nsecret = {{ trunks[0].secret | asterisk_value }}\n"
    directory = admin(tmp_path, asterisk__queues="")
    (directory / "asterisk" / "queues-here.conf.j2").write_text(text)
    made = render(example(), "boston", Role.PRIMARY, SECRETS, admin_templates=directory)
    file = next(one for one in made if one.path == "asterisk/queues-here.conf")
    assert file.data.decode() == "[q]\nsecret = acme\\; 'secret'\n"
    assert (file.mode, file.owner, file.reload) == (0o640, FileOwner.ASTERISK, "app_queue.so")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("line\n{{ nobody }}\n", "hosts.j2, line 2: 'nobody' is undefined"),
        ("{{ here.nothing }}", "has no attribute 'nothing'"),
        ("{% for %}", "hosts.j2, line 1"),
        ("{{ trunks[0].secret }}", "the secret of trunk acme is printed without a filter"),
        ("{{ trunks[0].username }}", "without a filter"),
        ("{{ people[0].name }}", "without a filter"),
        ("{{ carriers.acme.say }}", "without a filter"),
        ("{{ trunks[0].key.username }}", "without a filter"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ],
)
def test_a_template_that_is_wrong_is_named_with_its_line_and_the_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NotRenderable) as error:
        made_with(admin(tmp_path, hosts=text))
    assert said in str(error.value)
    assert "acme; 'secret'" not in str(error.value)


def test_a_value_that_cannot_be_written_is_refused_with_the_trunk_and_the_character() -> None:
    with pytest.raises(NotRenderable, match=r"^The secret of trunk metro contains ':'"):
        files(Role.PRIMARY, metro="a:b")


def test_all_values_that_cannot_be_written_are_in_one_report_in_either_role() -> None:
    for role in (Role.PRIMARY, Role.STANDBY):
        with pytest.raises(NotRenderable) as error:
            files(role, metro="a:b", acme="a\nb")
        assert "trunk metro contains" in str(error.value)
        assert "trunk acme contains the control character U+000A" in str(error.value)


ANY = st.one_of(
    st.text(st.sampled_from(list("ab1.-_ ;:/?@~\"\\()[]=>#%'é\t\n")), max_size=20),
    st.text(max_size=40),
    st.just("a.example"),
)


@given(username=ANY, secret=ANY, host=ANY, channel=st.sampled_from(["sip", "iax2", "pjsip"]))
def test_any_user_name_secret_and_host_read_back_or_are_refused(
    username: str, secret: str, host: str, channel: str
) -> None:
    trunk = "\n".join(f"{key} = {json.dumps(value)}" for key, value in (("username", username), ("host", host)))
    try:
        pair = example(f'{HEAD}[trunks.one]\nchannel = "{channel}"\nsecret_file = "s"\n{trunk}\n')
        made = render(pair, "boston", Role.PRIMARY, {"s": secret})
    except (PairInvalid, NotRenderable):
        return
    files = {file.path: file.data for file in made}
    if channel == "pjsip":
        auth = read_text(files["asterisk/pjsip-auth.conf"], section="x").sections[1]
        assert (auth.last("username"), auth.last("password")) == (username, secret)
        uri = read_text(files["asterisk/pjsip-registrations.conf"], section="x").sections[1].last("client_uri") or ""
        user, _, server = uri.removeprefix("sip:").rpartition("@")
        assert (unquote(user, errors="strict"), server) == (username, sip_host(pair.trunks["one"].host))
        return
    name = {"sip": "sip", "iax2": "iax"}[channel]
    line = read_text(files[f"asterisk/{name}-registrations.conf"], section="general").sections[0].last("register") or ""
    read = read_sip(line) if channel == "sip" else read_iax(line)
    assert read is not None
    assert (read.username, read.secret) == (username, secret)
    assert read.host == (sip_host(pair.trunks["one"].host) if channel == "sip" else pair.trunks["one"].host)


def test_freepbx_gets_the_names_that_it_reads() -> None:
    pair = example().model_copy(update={"asterisk": example().asterisk.model_copy(update={"freepbx": True})})
    paths = {file.path for file in render(pair, "boston", Role.PRIMARY, SECRETS)}
    assert {
        "asterisk/sip_registrations_custom.conf",
        "asterisk/iax_registrations_custom.conf",
        "asterisk/pjsip.registration_custom.conf",
    } <= paths


def test_carriers_data_is_no_template() -> None:
    assert not any(name.startswith("carriers/") for name in template_names(None))


def test_a_template_that_is_edited_replaced_or_taken_away_is_seen_by_the_same_process(tmp_path: Path) -> None:
    def hosts() -> bytes:
        made = render(example(), "boston", Role.STANDBY, SECRETS, admin_templates=tmp_path)
        return next(file.data for file in made if file.path == "hosts")

    ours = hosts()
    for text in (b"one\n", b"two\n"):
        # Of the same length, and within a tick of the clock.
        (tmp_path / "hosts.j2").write_bytes(text)
        assert hosts() == text
    (tmp_path / "hosts.j2").unlink()
    assert hosts() == ours


@pytest.mark.parametrize("open_", ["hosts.j2", "asterisk", "asterisk/macros.inc", "."])
def test_a_template_that_others_may_write_is_not_rendered(tmp_path: Path, open_: str) -> None:
    """A template is a program that runs as root, with what it imports."""
    directory = admin(tmp_path / "templates", hosts="# mine\n", asterisk__queues="")
    (directory / "asterisk" / "macros.inc").write_text("")
    assert made_with(directory)["hosts"] == "# mine\n"
    (directory / open_).chmod(0o777)
    with pytest.raises(NotRenderable, match=f"chmod o-w {(directory / open_).resolve()}"):
        made_with(directory)


IMS = """[trunks.ims]
channel = "{channel}"
host = "198.51.100.25"
username = "+915551002100"
auth_username = "+915551002100@ims.example"
secret_file = "s"
domain = "ims.example"
"""


def one_trunk(text: str) -> dict[str, str]:
    made = render(example(HEAD + text), "boston", Role.PRIMARY, {"s": "secret"})
    return {file.path: file.data.decode() for file in made}


def test_an_account_whose_domain_is_not_the_registrar_is_written_with_both() -> None:
    line = one_trunk(IMS.format(channel="sip"))["asterisk/sip-registrations.conf"]
    assert "register => +915551002100@ims.example:secret:+915551002100@ims.example@198.51.100.25/+915551002100" in line
    pjsip = one_trunk(IMS.format(channel="pjsip"))["asterisk/pjsip-registrations.conf"]
    assert "client_uri = sip:+915551002100@ims.example\n" in pjsip
    assert "server_uri = sip:198.51.100.25\n" in pjsip


def test_every_key_of_a_pjsip_registration_reaches_its_file() -> None:
    more = """outbound_proxy = "sip:198.51.100.26:5080;lr"
protocol = "tls"
port = 5071
server_uri_parameters = "user=phone"
realm = "ims.example; more"
support_path = true
transport = "0.0.0.0-tls"
endpoint = "+15552000"
"""
    files = one_trunk(IMS.format(channel="pjsip") + more)
    registration = read_text(files["asterisk/pjsip-registrations.conf"].encode(), section="x").sections[1]
    told = {one.name: one.value for one in registration.settings}
    assert told["server_uri"] == "sip:198.51.100.25:5071;transport=tls;user=phone"
    assert told["outbound_proxy"] == "sip:198.51.100.26:5080;lr"
    assert (told["support_path"], told["transport"], told["endpoint"]) == ("yes", "0.0.0.0-tls", "+15552000")
    auth = read_text(files["asterisk/pjsip-auth.conf"].encode(), section="x").sections[1]
    assert auth.last("realm") == "ims.example; more"
