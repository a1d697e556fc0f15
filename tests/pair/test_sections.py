"""Each section of pair.toml refuses what contradicts itself, with words that say what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pair.fields import Section
from pair.sections.carrier import Carrier
from pair.sections.dns import Dns
from pair.sections.lookup import Lookup
from pair.sections.machine import Machine
from pair.sections.proof import Proof
from pair.sections.trunk import Trunk
from pair.sections.watcher import Watcher

VALID: dict[type[Section], dict[str, Any]] = {
    Carrier: {},
    Dns: {"zone": "acme.example", "servers": {"boston": "192.0.2.11"}},
    Proof: {"trunk": "acme", "number": "+15551234567"},
    Watcher: {},
    Trunk: {"channel": "sip", "host": "sip.acme.example", "username": "5551000", "secret_file": "acme"},
}


@pytest.mark.parametrize(
    ("section", "keys", "words"),
    [
        (Carrier, {"dids": ["x12"]}, "'x12' is not a telephone number"),
        (Carrier, {"preset": "telnyx", "dids": ["030 1234567"]}, "the country of '030 1234567' is not clear"),
        (Carrier, {"values": {"Trunk": "x"}}, "'Trunk' must be lower-case"),
        (Carrier, {"base": "http://api.example"}, "base must be https://"),
        (Carrier, {"base": "https://api.example/v1"}, "without a path"),
        (Carrier, {"base": "https://user@api.example"}, "base must be"),
        (Dns, {"method": "zonefile"}, "zone_file"),
        (Dns, {"method": "zonefile", "zone_file": "/z", "dnssec_policy": "default"}, "needs method 'update'"),
        (Dns, {"primary": "ns9"}, "not under servers"),
        (Dns, {"own": {"ns9": "10.0.0.1"}}, "not under servers"),
        (Dns, {"more_addresses": {"ns9": ["10.0.0.1"]}}, "not under servers"),
        (Dns, {"zone": "-a.example"}, "a domain name"),
        (Dns, {"zone_file": "db"}, "an absolute path"),
        (Dns, {"zone_file": "/a/../b"}, "an absolute path"),
        (Dns, {"view": "a\nb"}, "one line of text"),
        (Proof, {"number": "911"}, "7 to 20 digits"),
        (Proof, {"number": "9112345"}, "begins like an emergency number"),
        (Proof, {"number": "99112345"}, "begins like an emergency number"),
        (Proof, {"directory": "/a b"}, "because the dialplan writes it"),
        (Watcher, {"hooks": {"webhook": "ftp://x"}}, "an http:// or https:// address"),
        (Watcher, {"hooks": {"webhook": "https://a:b@x/"}}, "without user and password"),
        (Watcher, {"stale_s": 2, "poll_s": 5}, "everything would be unknown"),
        (Trunk, {"host": "sip://acme"}, "a host name or an address"),
        (Trunk, {"channel": "pjsip", "server_uri_parameters": ";user=phone"}, "without the first ';'"),
        (Trunk, {"channel": "pjsip", "outbound_proxy": "proxy.example"}, "a SIP URI with its parameters"),
    ],
)
def test_what_contradicts_itself_is_refused(section: type[Section], keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        section.model_validate(VALID[section] | keys)
    assert words in str(refused.value)


@pytest.mark.parametrize("address", ["https://chat.example", "http://chat.example:8080/a?b=c@d", "https://h/@x"])
def test_a_web_hook_is_any_address_without_a_login(address: str) -> None:
    assert Watcher.model_validate({"hooks": {"webhook": address}}).hooks.webhook == address


@pytest.mark.parametrize(("base", "plain"), [("https://api.example:8443", False), ("http://api.example", True)])
def test_a_carriers_api_may_be_elsewhere(base: str, plain: bool) -> None:
    assert Carrier.model_validate({"base": base, "plain_http": plain}).base == base


def test_a_machine_is_reached_by_its_public_address_unless_said() -> None:
    machine = Machine.model_validate({"public_address": "192.0.2.11"})
    assert (machine.bind, machine.ssh_host) == ("192.0.2.11", "192.0.2.11")
    assert Machine.model_validate({"public_address": "192.0.2.11", "ssh": "boston"}).ssh_host == "boston"


@pytest.mark.parametrize(
    ("keys", "address"),
    [({"own": {"boston": "10.0.0.1"}}, "10.0.0.1"), ({}, "192.0.2.11"), ({"servers": {}}, "127.0.0.1")],
)
def test_a_machine_reaches_its_own_named(keys: dict[str, Any], address: str) -> None:
    assert Dns.model_validate(VALID[Dns] | keys).own_address("boston") == address


@pytest.mark.parametrize(
    ("keys", "port"),
    [({}, 5060), ({"protocol": "tls"}, 5061), ({"channel": "iax2"}, 4569), ({"port": 5080}, 5080)],
)
def test_a_registration_goes_to_its_protocols_own_port(keys: dict[str, Any], port: int) -> None:
    assert Trunk.model_validate(VALID[Trunk] | keys).server_port == port


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ({}, 30),
        ({"second_registration": "refused"}, 30),
        ({"second_registration": "refused", "expiry_s": 30}, 10),
        ({"second_registration": "refused", "expiry_s": 5}, 2),
    ],
)
def test_a_carrier_that_refuses_is_asked_again_before_the_other_binding_has_been_gone_for_long(
    keys: dict[str, Any], seconds: int
) -> None:
    assert Trunk.model_validate(VALID[Trunk] | keys).refused_again_s == seconds


LOOKUP: dict[str, Any] = {
    "site": "domino-local",
    "request": "view",
    "database": "crm/phones.nsf",
    "view": "(ByNumber)",
    "variables": {"COMPANY": "Company"},
}


@pytest.mark.parametrize(
    ("keys", "renewed", "stale"),
    [
        ({}, 3000.0, 604_800.0),
        ({"renew_s": 1_000_000}, 1_000_000.0, 1_000_000.0),
        ({"stale_s": 600}, 600.0, 600.0),
        ({"renew_s": 400, "stale_s": 500}, 400.0, 500.0),
    ],
)
def test_how_long_an_answer_is_good(keys: dict[str, Any], renewed: float, stale: float) -> None:
    lookup = Lookup.model_validate(LOOKUP | keys)
    assert (lookup.renewed_until_s, lookup.stale_until_s) == (renewed, stale)


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({}, "http://domino-local:80"),
        ({"scheme": "https"}, "https://domino-local:443"),
        ({"site": "2001:db8::1", "port": 8080}, "http://[2001:db8::1]:8080"),
    ],
)
def test_where_a_lookup_asks(keys: dict[str, Any], url: str) -> None:
    assert Lookup.model_validate(LOOKUP | keys).base_url == url
