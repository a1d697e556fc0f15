"""Our reader and our escaping, held against the real ones: AMI GetConfig, and registrations that authenticate."""

from __future__ import annotations

import random
from typing import Final

import pytest

from lab import Machine, Release, World
from localized.asterisk_conf import read_text
from localized.syntax import Unwritable, asterisk_value
from tests.world.activating import primary, words
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

ALPHABET: Final = [*"ab1 ;:/?@~\\\"()[]{}=>#-,'!$%&*+.|^`é€\u2028\u00a0\U0001f4de"]
NASTY: Final = [
    ";", "--;", ";--", "a;--b--;c", "\\;", "\\", "a\\", "\\\\;", "=>", "> x", "= x", "[x]", "#include y", "a=b", "+=1",
    '"', '""', "'", "a  b", "${EXTEN}", "\\n", "]", ")", "--", "é;€", "x" * 4000,
]  # fmt: skip


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    return worlds(boston=release, dallas=release, expiry_s=60, trunks=["acme"])


def get_config(machine: Machine, name: str) -> dict[str, list[tuple[str, str]]] | None:
    """What Asterisk reads: section -> settings in order; None where it refuses the file."""
    with machine.connect("127.0.0.1", 5038) as connected:
        connected.settimeout(10)
        connected.sendall(
            b"Action: Login\r\nUsername: hotstandby\r\nSecret: ami-Secret0\r\nEvents: off\r\n\r\n"
            b"Action: GetConfig\r\nActionID: 7\r\nFilename: " + name.encode() + b"\r\n\r\nAction: Logoff\r\n\r\n"
        )
        data = b""
        while chunk := connected.recv(65536):
            data += chunk
    packet = next(one for one in data.split(b"\r\n\r\n") if b"ActionID: 7" in one).decode("utf-8", "surrogateescape")
    if "Response: Error" in packet:
        return None
    names: dict[str, str] = {}
    found: dict[str, list[tuple[str, str]]] = {}
    for line in packet.split("\r\n"):
        key, _, value = line.partition(": ")
        number = key.split("-")[1] if "-" in key else ""
        if key.startswith("Category-"):
            names[number] = f"{value}#{number}"
            found[names[number]] = []
        elif key.startswith("Line-"):
            setting, _, text = value.partition("=")
            found[names[number]].append((setting, text))
    return found


def ours(text: str) -> dict[str, list[tuple[str, str]]] | None:
    conf = read_text(text.encode("utf-8", "surrogateescape"))
    if conf.refused is not None:
        return None
    shown = [section for section in conf.sections if not section.template]  # GetConfig leaves templates out
    return {
        f"{section.name}#{number:06}": [(one.name, one.value) for one in section.settings]
        for number, section in enumerate(shown)
    }


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
    assert read["b#000001"] == [("end", "1")]
    assert [text for _, text in read["a#000000"]] == [value for value, _ in written]


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
    assert get_config(world.boston, "hs-file.conf") == ours(text)


def test_random_files_are_read_as_asterisk_reads_them(world: World) -> None:
    chance = random.Random(5060)
    pieces = [
        "[a]", "[b](a)", "[c](!)", "[a](+)", "x=1", "y => 2", "z=a\\;b", ";--", "--;", "; said", " w=3 ;-- i --; 4",
        "x+=5", "", "no equals", "\\#k=1", "[d", "v=--;", "u=;--x", "t=\\;--",
    ]  # fmt: skip
    path = world.boston.path("/etc/asterisk/hs-file.conf")
    for _ in range(60):
        text = "[a]\n" + "\n".join(chance.choices(pieces, k=chance.randint(3, 14))) + "\n"
        path.write_text(text)
        assert get_config(world.boston, "hs-file.conf") == ours(text), text


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
    pair.write_text(pair.read_text() + "\n" + "\n".join(toml) + "\n")
    done = primary(world.boston)
    assert done.returncode == 0, words(done)
    assert done.stdout.count("Registered") >= 2 * (len(sip) + len(iax))


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
