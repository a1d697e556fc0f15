"""pair.toml becomes typed, frozen values; every problem is told at once, with key, value and what is allowed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pair import PairInvalid, parse
from tests.pair.example import EXAMPLE, FILE, example, problems


def test_the_example_is_valid_and_typed() -> None:
    pair = example()
    assert pair.name == "secondsignal"
    assert pair.preferred == "boston"
    assert pair.peer_of("boston") == "dallas"
    assert pair.machines["boston"].bind == "10.1.0.11"
    assert pair.machines["dallas"].bind == "192.0.2.12"
    assert pair.trunks["acme"].server_port == 5060
    assert pair.trunks["own"].server_port == 4569
    assert pair.trunks["better"].register_ is False
    assert pair.domino.sites["domino-local"].addresses == {"boston": "192.0.2.21", "dallas": "192.0.2.22"}
    assert pair.people[0].for_ == "the carrier's portal"
    assert pair.digest == hashlib.sha256(EXAMPLE.encode()).hexdigest()


def test_values_cannot_be_changed() -> None:
    pair = example()
    with pytest.raises(ValidationError):
        pair.trunks["acme"].host = "elsewhere.example"


def test_a_machines_own_keys_are_laid_over_the_common_ones() -> None:
    pair = example()
    assert pair.asterisk_on("boston").ami.port == 5039
    assert pair.asterisk_on("boston").ami.secret_file == "ami"
    assert pair.asterisk_on("dallas").ami.port == 5038
    assert pair.trunk_on("own", "boston").username == "boston-line"
    assert pair.trunk_on("own", "boston").secret_file == "own"
    assert pair.trunk_on("own", "dallas").secret_file == "own-dallas"
    assert pair.trunk_on("own", "dallas").account == "per-machine"
    assert pair.trunk_on("own", "dallas") is pair.trunk_on("own", "dallas")
    assert pair.trunk_on("own", "dallas").machines == {}


def test_a_copy_of_a_pair_with_other_trunks_merges_them_anew() -> None:
    pair = example()
    before = pair.trunk_on("own", "boston")
    changed = pair.trunks["own"].model_copy(update={"expiry_s": before.expiry_s + 1})
    copy = pair.model_copy(update={"trunks": {**pair.trunks, "own": changed}})
    assert copy.trunk_on("own", "boston").expiry_s == before.expiry_s + 1
    assert pair.trunk_on("own", "boston") == before
    assert pair == example()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('channel = "sip"', 'channel = "spi"', "trunks.acme.channel: is 'spi'. Allowed: 'sip', 'iax2' or 'pjsip'."),
        ("required = true", "requird = true", "trunks.acme.requird: is not a known key. Did you mean 'required'?"),
        ("[pair]\n", "[par]\n", "par: is not a known key. Did you mean 'pair'?"),
        (
            "ami.port = 5039",
            "ami.prt = 5039",
            "machines.boston.asterisk.ami.prt: is not a known key. Did you mean 'port'?",
        ),
        (
            "ami.port = 5039",
            "ami.port = 0",
            "machines.boston.asterisk.ami.port: is 0. Allowed: greater than or equal to 1.",
        ),
        (
            '"192.0.2.12"\n\n[asterisk]',
            '"192.0.2.300"\n\n[asterisk]',
            "machines.dallas.public_address: is '192.0.2.300'. Allowed: an IPv4 or IPv6 address, such as 192.0.2.11.",
        ),
        (
            '"192.0.2.12"\n\n[asterisk]',
            '"192.0.2.11"\n\n[asterisk]',
            "machines.dallas.public_address: is 192.0.2.11, which is boston's. Each has its own.",
        ),
        (
            '["10.1.0.0/16"]',
            '["10.1.0.1/16"]',
            "machines.boston.localnets.0: is '10.1.0.1/16'. Allowed: a network without host bits, such as 10.1.0.0/16.",
        ),
        (
            'preset = "manual"\ndids = ["5551234567"]',
            'preset = "telnyx"\ndids = ["5551234567", "030 1234567"]',
            "carriers.acme: dids: the country of '030 1234567' is not clear; write it as +15551234567.",
        ),
        ("preferred = true\n", "", "machines: exactly one machine has preferred = true; none has it."),
        (
            'username = "5551000"\n',
            "",
            "trunks.acme: it registers, so it needs username (or register = false, where it reaches us by address).",
        ),
        (
            'carrier = "acme"',
            'carrier = "acm"',
            "trunks.acme.carrier: is 'acm', which is not under [carriers]. Did you mean 'acme'?",
        ),
        (
            "[trunks.own.machines.boston]",
            "[trunks.own.machines.bostn]",
            "trunks.own.machines.bostn: is not a machine of this pair. Did you mean 'boston'?",
        ),
        (
            'dallas = "192.0.2.22"\nmarker',
            "marker",
            "domino.sites.domino-local.dallas: is missing: an address on each machine is needed.",
        ),
        (
            "[trunks.better]",
            "[trunks.ACME]",
            "trunks.ACME: differs from 'acme' by its case alone. Give it another name.",
        ),
        (
            "[trunks.better]",
            '[trunks."a b"]',
            "trunks.a b: cannot be a name. Allowed: a name: letters, digits, '-' and '_', "
            "1 to 63 of them, a letter or digit first and last.",
        ),
        (
            'secret_file = "acme"',
            'secret_file = "../shadow"',
            "trunks.acme.secret_file: is '../shadow'. Allowed: the name of a file in secrets/, without directories.",
        ),
        ('phone = "+1 555 0100"', 'phon = "x"', "people.0.phon: is not a known key. Did you mean 'phone'?"),
        (
            'html = { path = "domino/html", direction',
            'html = { path = "domino/html", directon',
            "sync.paths.html.directon: is not a known key. Did you mean 'direction'?",
        ),
        ("ttl_s = 30", "tttl_s = 30", "dns.tttl_s: is not a known key. Did you mean 'ttl_s'?"),
        (
            "ttl_s = 30",
            "ttl_s = 0x" + "f" * 5000,
            "dns.ttl_s: is a number of thousands of digits. Allowed: less than or equal to 86400.",
        ),
        (
            'pbx = { boston = "192.0.2.11", dallas',
            'pbx = { bostn = "192.0.2.11", dallas',
            "dns.follow.pbx.bostn: is not a machine of this pair. Did you mean 'boston'?",
        ),
        ("required = true", "expiry_s = 4", "trunks.acme.expiry_s: is 4. Allowed: greater than or equal to 5."),
        (
            "required = true",
            "expiry_s = 5",
            "trunks.acme.expiry_s: is 5 s, not longer than watcher.poll_s (5 s): a lost "
            "registration would be seen too late. Poll more often, or ask for a longer expiry.",
        ),
        ("required = true", 'endpoint = "acme"', 'trunks.acme: endpoint is for channel = "pjsip"; this trunk is sip.'),
        (
            'path = "domino/html"',
            'path = "../etc"',
            "sync.paths.html.path: is '../etc'. Allowed: a path below [sync] root, "
            "without a leading '/' and without '..'.",
        ),
    ],
)
def test_what_is_wrong_is_told_with_key_value_and_what_is_allowed(old: str, new: str, told: str) -> None:
    assert old in EXAMPLE
    assert told in problems(EXAMPLE.replace(old, new, 1))


def test_an_expiry_that_makes_pjsip_register_without_a_pause_is_refused() -> None:
    pjsip = EXAMPLE.replace('channel = "sip"', 'channel = "pjsip"\nexpiry_s = 11', 1)
    assert [told for told in problems(pjsip) if "it would register without a pause. Ask for 12 or more" in told]
    assert problems(pjsip.replace("expiry_s = 11", "expiry_s = 12")) == []


def test_every_problem_is_told_at_once() -> None:
    wrong = EXAMPLE.replace('channel = "sip"', 'channel = "x"', 1).replace("ttl_s = 30", "ttl_s = 0")
    wrong = wrong.replace('host = "198.51.100.7"', 'host = "a b"').replace("[sync]", "[synk]")
    found = problems(wrong)
    assert len(found) == 4
    assert {told.split(":")[0] for told in found} == {"trunks.acme.channel", "dns.ttl_s", "trunks.better.host", "synk"}


TRUNK = """[trunks.ims]
channel = "pjsip"
host = "198.51.100.25"
username = "5551002100"
secret_file = "x"
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("5551002100", "+91@ims.example", 'write username = "+91" and domain = "ims.example"'),
        (
            '"pjsip"',
            '"sip"\noutbound_proxy = "sip:h;lr"',
            "write the proxy as host, and the account's domain as domain",
        ),
        ('"pjsip"', '"iax2"\ndomain = "ims.example"', "iax2 has no domain of its own"),
        ('"pjsip"', '"iax2"\nprotocol = "tls"', "iax2 goes over UDP alone"),
        ('"pjsip"', '"pjsip"\noutbound_proxy = "sip:proxy.example"', "sip:proxy.example;lr"),
        ('"pjsip"', '"pjsip"\noutbound_proxy = "sip:h;lr\\nx"', "such as sip:proxy.example;lr"),
        ('"pjsip"', '"pjsip"\ntransport = "a b"', "such as 0.0.0.0-udp"),
        ('"pjsip"', '"pjsip"\nendpoint = "a&b"', "such as 0.0.0.0-udp"),
        ('"pjsip"', '"pjsip"\nmax_retries = 3', "goes into a template of your own"),
    ],
)
def test_a_registration_that_cannot_be_said_so_is_told_how_it_can(old: str, new: str, told: str) -> None:
    found = problems(EXAMPLE + TRUNK.replace(old, new))
    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize("name", ["0.0.0.0-udp", "+15552000", "nova.in", "_x", "a" * 79])
def test_names_are_taken_as_asterisk_allows_them(name: str) -> None:
    proof = f'[proof]\ntrunk = "ims"\nnumber = "6175550100"\nthrough = "{name}"\n'
    pair = parse((EXAMPLE + TRUNK + f'transport = "{name}"\nendpoint = "{name}"\n' + proof).encode(), FILE)
    assert (pair.trunks["ims"].transport, pair.trunks["ims"].endpoint) == (name, name)


def test_a_third_machine_is_refused() -> None:
    third = '[machines.chicago]\npublic_address = "192.0.2.14"\n'
    assert problems(EXAMPLE + third) == ["machines: a pair has exactly two machines; here: boston, dallas, chicago."]


def test_the_same_account_twice_is_refused() -> None:
    twin = '[trunks.twin]\nchannel = "sip"\nhost = "SIP.acme.example"\nport = 5060\n'
    twin += 'username = "5551000"\nsecret_file = "x"\n'
    found = problems(EXAMPLE + twin)
    assert any("trunks.twin.username: registers the same account as 'acme'" in told for told in found)


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    found = problems(EXAMPLE.replace("required = true", 'password = "hunter2"'))
    assert found == [
        "trunks.acme.password: is not a known key. "
        "Secrets never stand here: write it into a file of secrets/ named by secret_file."
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"[pair\n", "is not TOML"),
        (b"\xff", "is not UTF-8 at byte 0"),
        (b"", "pair: is missing"),
    ],
)
def test_what_is_no_pair_toml_at_all_is_told(data: bytes, told: str) -> None:
    with pytest.raises(PairInvalid, match=told) as invalid:
        parse(data, FILE)
    assert str(FILE) in str(invalid.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["C"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "pair",
                    "name",
                    "machines",
                    "boston",
                    "trunks",
                    "acme",
                    "host",
                    "asterisk",
                    "ami",
                    "machines",
                    "dns",
                    "follow",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def _toml(value: object) -> str:
    match value:
        case None:
            return '""'
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return "'" + value.replace("'", "") + "'"
        case _:
            return str(value)


@given(st.dictionaries(st.sampled_from(["pair", "machines", "trunks", "asterisk", "dns", "domino", "sync"]), JSON))
def test_any_toml_is_either_values_or_problems_with_a_key(document: dict[str, object]) -> None:
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in document.items())
    for told in problems(text):
        assert told.strip()
        assert told.isprintable()
