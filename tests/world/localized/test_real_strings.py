"""Our reader and our escaping, held against the real ones: AMI GetConfig, and registrations that authenticate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from lab import Machine, Release, World
from localized.asterisk.configuration import LocalDisk, read_conf
from localized.render.syntax import Unwritable, asterisk_value
from tests.world.conftest import Worlds
from tests.world.localized.activating import WORD, primary, render, words

pytestmark = pytest.mark.world

ALPHABET: Final = [*"ab1 ;:/?@~\\\"()[]{}=>#-,'!$%&*+.|^`é€\u2028\u00a0\U0001f4de"]
NASTY: Final = [
    ";", "--;", ";--", "a;--b--;c", "\\;", "\\", "a\\", "\\\\;", "=>", "> x", "= x", "[x]", "#include y", "a=b", "+=1",
    '"', '""', "'", "a  b", "${EXTEN}", "\\n", "]", ")", "--", "é;€", "x" * 4000,
]  # fmt: skip


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    return worlds(boston=release, dallas=release, expiry_s=60, trunks=["acme"])


Read = list[tuple[str, bool, list[tuple[str, str]]]] | None
"""Sections in order: name, whether it is a template, settings in order; None where the file is refused."""


def get_configs(machine: Machine, names: Sequence[str]) -> list[Read]:
    """What Asterisk reads of each file, templates included."""
    asked = "".join(
        f"Action: GetConfig\r\nActionID: f{number}\r\nFilename: {name}\r\nFilter: TEMPLATES=include\r\n\r\n"
        for number, name in enumerate(names)
    )
    with machine.connect("127.0.0.1", 5038) as connected:
        connected.settimeout(30)
        connected.sendall(b"Action: Login\r\nUsername: hotstandby\r\nSecret: ami-Secret0\r\nEvents: off\r\n\r\n")
        connected.sendall(asked.encode() + b"Action: Logoff\r\n\r\n")
        data = b""
        while chunk := connected.recv(65536):
            data += chunk
    found: dict[str, Read] = {}
    for packet in data.split(b"\r\n\r\n"):
        lines = packet.decode("utf-8", "surrogateescape").split("\r\n")
        identity = next((line[10:] for line in lines if line.startswith("ActionID: f")), None)
        if identity is not None:
            found[identity] = None if "Response: Error" in lines else _sections(lines)
    return [found[f"f{number}"] for number in range(len(names))]


def _sections(lines: Sequence[str]) -> Read:
    found: list[tuple[str, bool, list[tuple[str, str]]]] = []
    for line in lines:
        key, _, value = line.partition(": ")
        if key.startswith("Category-"):
            found.append((value, False, []))
        elif key.startswith("IsTemplate-"):
            found[-1] = (found[-1][0], True, found[-1][2])
        elif key.startswith("Line-"):
            setting, _, text = value.partition("=")
            found[-1][2].append((setting, text))
    return found


def get_config(machine: Machine, name: str) -> Read:
    return get_configs(machine, [name])[0]


def ours(machine: Machine, name: str) -> Read:
    conf = read_conf(name, str(machine.path("/etc/asterisk")), LocalDisk())
    if conf is None or conf.refused is not None:
        return None
    return [(one.name, one.template, [(each.name, each.value) for each in one.settings]) for one in conf.sections]


def test_every_value_that_is_not_refused_is_read_as_that_very_string(world: World) -> None:
    chance = random.Random(20261122)
    values = [*NASTY, *("".join(chance.choices(ALPHABET, k=chance.randint(1, 30))) for _ in range(400))]
    written: list[tuple[str, str]] = []
    for value in values:
        try:
            written.append((value, asterisk_value(value)))
        except Unwritable:
            assert value != value.strip(" ")  # the one thing in this alphabet that cannot be held
    assert len(written) > 350
    lines = [f"v{number} = {text}" for number, (_, text) in enumerate(written)]
    world.boston.write("/etc/asterisk/hs-values.conf", "\n".join(["[a]", *lines, "[b]", "end = 1", ""]))
    read = get_config(world.boston, "hs-values.conf")
    assert read is not None
    assert read[1] == ("b", False, [("end", "1")])
    assert [text for _, text in read[0][2]] == [value for value, _ in written]


FILES: Final = {
    "plain": "[a]\nx=1\n y => 2 \n[b]\nz= 3 ; said\n",
    "escaped": "[a]\nx=1\\;2\ny=\\\\;\nz=a\\;b;c\n",
    "blocks": "[a]\nx=1\n;-- hidden\ny=2\n--;\nz=3\nw=1 ;-- in --; 2\n;--- no block\nv=4\n",
    "nested": "[a]\n;-- one ;-- two --; still --;\nx=1\n",
    "stray end": "[a]\nx=secret--;\ny=1\n[b]\nz=2\n",
    "never ends": "[a]\nx=1\n;-- oh\ny=2\n",
    "templates": "[t](!)\nx=1\n[a](t)\ny=2\n[c](a)\nz=3\n",
    "added to": "[a]\nx=1\n[b]\ny=1\n[a](+)\nz=2\n",
    "appended": "[a]\nx=1\nx+=2\nn+=3\n",
    "no equals": "[a]\nword\nx=1\n",
    "no directive": "[a]\n#inclode y\nx=1\n",
    "text after": "[a] (t)\nx=1\n",
    "escaped name": "[a]\n\\#x=1\n\\[y]=2\n",
    "long": "[a]\nx=" + "1" * 8180 + "\ny=" + "2" * 8300 + "\nz=3\n",
    "mark": "\ufeff[a]\nx=1\n",
    "carriage": "[a]\r\nx=1\r\n",
    "unclosed": "[a]\nx=1\n[b\ny=2\n",
    "no parenthesis": "[a]\nx=1\n[b](a\ny=2\n",
    "no template": "[a](gone)\nx=1\n",
    "no section": "x=1\n[a]\ny=2\n",
    "nothing to add to": "[a](+)\nx=1\n",
    "twice": "[a]\nx=1\n[a]\nx=2\n",
    "bytes": "[a]\nx=\udcff\udcfe\n",
    "last line": "[a]\nx=1",
}


@pytest.mark.parametrize("name", FILES)
def test_our_reader_reads_what_asterisk_reads(world: World, name: str) -> None:
    text = FILES[name]
    path = world.boston.path("/etc/asterisk/hs-file.conf")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert get_config(world.boston, "hs-file.conf") == ours(world.boston, "hs-file.conf")


HEADERS: Final = [
    "[a]", "[A]", "[b]", "[nova]", "[general]", "[t](!)", "[a](!)", "[b](t)", "[b](a)", "[nova](t,a)",
    "[a](+)", "[b](+)", "[nova](+)", "[t](!,+)", "[a](+,!)", "[a](t,+)", "[b](+,t)", "[a]()", "[b](!,)",
    "[nova](+type=registration)", "[nova](+type=auth)", "[nova](+type=auth,+type=registration)", "[b](+type=au)",
    "[nova](+type=^auth$&x=1)", "[a](+TEMPLATES=include)", "[t](+TEMPLATES=restrict)", "[nova](+ type = auth)",
    "[t](+TEMPLATES=include&x=1)", "[b](+x=.)", "[nova](+'type=auth')", "[nova](+type='auth')",
    "[a] (t)", "[]", "[a](!)junk", "[" + "n" * 90 + "]", "[é]",
]  # fmt: skip
REFUSED: Final = [
    "[b](+Type=auth)", "[nova](+type=auth&x=2)", "[a](+TEMPLATES=no)", "[b](+x)", "[a](+ )", "[b](t,gone)", "[gone](+)",
    "[a](t", "[d", "[É](+)", "[" + "n" * 79 + "](+)", "[a](b)(t)", "[b](+(x|y)=1)", "[a](+type=auth,+type=aor)",
    "[t](+)", "[a](+type=aor)", "\\é=1", "\\ x=1", "#INCLUDE {name}-1.conf", "#include gone.conf",
    "#include {name}.conf",
]  # fmt: skip
"""In most places; one that a section above fits is taken."""
LINES: Final = [
    "type=auth", "type=aor", "type = registration", "type => identify", "x=1", "x=2", "X=1", "y => 2", "x+=3", "x +=4",
    "y+= 5 ", "z+=", "n=", "n+=6", "z=a\\;b", ";--", "--;", "; said", " w=3 ;-- i --; 4", "", "no equals", "\\#k=1",
    "v=--;", "u=;--x", "t=\\;--", "=1", "+=1", " = ", "x==1", "x=>", "x => => 1", "\tq\t=\t1\r",
    "l=" + "1" * 8188, "l=" + "1" * 8189, "l=" + "1" * 9000, "x=\0y", "#inclode y", "#include", "#exec /bin/true",
    "#tryinclude gone.conf", "#éinclude x", ";;", "a;-b=1", ";---", "--",
]  # fmt: skip
INCLUDES: Final = [
    "#include {name}-1.conf", '#include "{name}-2.conf"', "#include <{name}-1.conf>", "#tryinclude {name}-2.conf",
    "#include {name}-*.conf", "#include {name}-[12].conf", "#include {name}-{1,2}.conf", "#tryinclude gone-*.conf",
    "#include {name}-1.conf ; said",
]  # fmt: skip
BEGINNINGS: Final = [
    "", "[a]\n", "[nova]\ntype=auth\n[nova]\ntype=registration\nx=1\n[a]\ntype=aor\n[t](!)\nx=1\n[b](t)\n",
    "[t](!)\nx=1\n[nova](t)\ntype=registration\n[nova](t)\ntype=auth\n[a](!)\n[a]\n[b]\ntype=auth\nx=2\n",
]  # fmt: skip


def random_files(machine: Machine, count: int, seed: int) -> list[str]:
    """Writes so many configuration files, each with two that it may include; their names."""
    chance = random.Random(seed)
    names = [f"hs-{number}.conf" for number in range(count)]

    def text(name: str, includes: float) -> str:
        kinds = chance.choices([HEADERS, LINES, INCLUDES, REFUSED], [3, 5, includes, 0.3], k=chance.randint(2, 14))
        lines = [chance.choice(kind).replace("{name}", name) for kind in kinds]
        mark = "\ufeff" if chance.random() < 0.03 else ""
        return mark + chance.choices(BEGINNINGS, [1, 2, 8, 8])[0] + "\n".join(lines) + "\n"

    for name in names:
        stem = name.removesuffix(".conf")
        machine.path(f"/etc/asterisk/{name}").write_text(text(stem, 1.0))
        for number in (1, 2):
            machine.path(f"/etc/asterisk/{stem}-{number}.conf").write_text(text(stem, 0.15))
    return names


def test_random_files_are_read_as_asterisk_reads_them(world: World) -> None:
    agree(world.boston, 400, seed=5060)


@pytest.mark.soak
def test_thousands_of_random_files_are_read_as_asterisk_reads_them(world: World) -> None:
    for seed in range(10):
        agree(world.boston, 500, seed)


def agree(machine: Machine, count: int, seed: int) -> None:
    names = random_files(machine, count, seed)
    theirs = get_configs(machine, names)
    wrong = [name for name, read in zip(names, theirs, strict=True) if read != ours(machine, name)]
    shown = [
        "\n".join(f"{path.name}:\n{path.read_text()}" for path in _written(machine, name))
        + f"\nAsterisk: {get_config(machine, name)}\nours:     {ours(machine, name)}"
        for name in wrong[:2]
    ]
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n\n".join(shown)
    assert sum(read is None for read in theirs) < 0.6 * count


def _written(machine: Machine, name: str) -> list[Path]:
    stem = name.removesuffix(".conf")
    return [machine.path(f"/etc/asterisk/{one}") for one in (name, f"{stem}-1.conf", f"{stem}-2.conf")]


SECRETS: Final = [
    "plain", "semi;colon", "a:b", "p@ss", "qu?ery", "sl/ash", "til~de", 'quo"te', '"quoted"', "(paren", "br]ack[et",
    "back\\slash", "end\\", "a b", "=>", "#hash", "--;", ";--", "é€ü", "100%41", "x" * 60,
    "a,b|c&d", "'",
]  # fmt: skip


def test_accounts_with_odd_secrets_authenticate_at_the_carrier(world: World) -> None:
    """The carrier holds the very string (proven above), so a registration proves that boston's driver does as well."""
    channels = ["sip", "pjsip", "iax2"] if world.releases["boston"] == "16" else ["pjsip", "iax2"]
    toml: list[str] = []
    sip: list[tuple[str, str]] = []
    iax: list[tuple[str, str]] = []
    refused = 0
    for number, secret in enumerate(SECRETS):
        for channel in channels:
            name = f"{channel}{number}"
            if not _fits(channel, secret):
                refused += 1
                continue
            (iax if channel == "iax2" else sip).append((name, secret))
            toml += [f"[trunks.{name}]", f'channel = "{channel}"', 'host = "192.0.2.5"', f'username = "{name}"']
            toml += [f'secret_file = "{name}"', "required = true"]
            world.boston.write(f"/etc/hotstandby/secrets/{name}", secret + "\n", mode=0o600)
    assert refused < len(SECRETS)
    carrier = world.carrier
    carrier.write("/etc/asterisk/hs-sip.conf", "".join(_SIP.format(n=n, s=asterisk_value(s)) for n, s in sip))
    carrier.write("/etc/asterisk/hs-iax.conf", "".join(_IAX.format(n=n, s=asterisk_value(s)) for n, s in iax))
    for conf, more in (("pjsip.conf", "hs-sip.conf"), ("iax.conf", "hs-iax.conf")):
        path = carrier.path(f"/etc/asterisk/{conf}")
        path.write_text(path.read_text() + f"\n#include hs-{more.split('-')[1]}\n")
    carrier.asterisk("module reload res_pjsip.so")
    carrier.asterisk("iax2 reload")
    pair = world.boston.path("/etc/hotstandby/pair.toml")
    before = pair.read_text()
    # chan_iax2 asks again after 50 s where the busy machine has lost all that it sent.
    patient = before.replace("[asterisk]\n", "[asterisk]\nregister_deadline_s = 90.0\n")
    try:
        pair.write_text(patient + "\n" + "\n".join(toml) + "\n")
        done = render(world.boston, "--role", "primary", "--activate", *WORD, deadline_s=150.0)
    finally:
        pair.write_text(before)
    assert done.returncode == 0, words(done)
    assert done.stdout.count("Registered") >= 2 * (len(sip) + len(iax))


KEYS: Final = """
[trunks.ims]
channel = "{channel}"
host = "2001:db8::5"
domain = "ims.example"
protocol = "{protocol}"
username = "+915551002100"
auth_username = "+915551002100@ims.example"
secret_file = "nova"
"""
PJSIP_KEYS: Final = """outbound_proxy = "sip:192.0.2.5:5070;lr"
server_uri_parameters = "user=phone"
realm = "ims.example"
support_path = true
transport = "0.0.0.0-tcp"
endpoint = "+15552000"
"""


def test_asterisk_takes_every_key_of_a_registration(world: World) -> None:
    machine = world.boston
    toml, conf = machine.path("/etc/hotstandby/pair.toml"), machine.path("/etc/asterisk/pjsip.conf")
    before, own = toml.read_text(), conf.read_text()
    patient = before.replace("[asterisk]\n", "[asterisk]\nregister_deadline_s = 2.0\n")
    machine.write("/etc/hotstandby/secrets/nova", "nova-Secret3\n", mode=0o600)
    try:
        conf.write_text(
            own.replace("[carrier](trunk)\n", "[+15552000](trunk)\n[carrier](trunk)\n", 1).replace(
                "[trunk](!)", "[0.0.0.0-tcp]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0:5090\n[trunk](!)", 1
            )
        )
        toml.write_text(patient + KEYS.format(channel="pjsip", protocol="tcp") + PJSIP_KEYS)
        done = primary(machine)
        assert done.returncode in (0, 5), words(done)
        assert "did not take" not in words(done)
        shown = machine.asterisk("pjsip show registration ims")
        for line in (
            "client_uri               : sip:+915551002100@ims.example",
            "server_uri               : sip:[2001:db8::5];transport=tcp;user=phone",
            "outbound_proxy           : sip:192.0.2.5:5070;lr",
            "endpoint                 : +15552000",
            "support_path             : true",
        ):
            assert line in shown, shown
        credentials = machine.asterisk("pjsip show auth ims").splitlines()
        assert any(line.split() == ["realm", ":", "ims.example"] for line in credentials)
        if world.releases["boston"] == "16":
            toml.write_text(patient + KEYS.format(channel="sip", protocol="tls"))
            done = primary(machine)
            assert "ims: Asterisk" not in words(done), words(done)  # it is listed, and found to be ours
            entry = machine.asterisk("sip show registry")
            assert "+91555100210" in entry
            assert "5061" in entry
    finally:
        toml.write_text(before)
        conf.write_text(own)


def _fits(channel: str, secret: str) -> bool:
    """chan_iax2 splits at these; a ';' in a peer's secret separates two of them at the carrier's own chan_iax2."""
    return channel != "iax2" or not (set(":@;") & set(secret) or secret.startswith("["))


_SIP: Final = """
[{n}](customer)
auth = {n}
aors = {n}
[{n}]
type = auth
auth_type = userpass
username = {n}
password = {s}
[{n}]
type = aor
max_contacts = 1
remove_existing = yes
"""
_IAX: Final = "\n[{n}]\ntype = friend\nhost = dynamic\nauth = md5\ncontext = from-customer\nsecret = {s}\n"
