"""Register lines: any string reads back as itself, through both layers of Asterisk's parsing, or is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localized.asterisk.configuration import read_text
from localized.render.register_line import IaxAccount, SipAccount, read_iax, read_sip, write_iax
from localized.render.syntax import Unwritable, iax_register, sip_register

ODD = st.text(st.sampled_from(list("ab1 ;:/?@~\"\\()[]=>#-,'é€\t\n\x00")), max_size=24)
ANY = st.one_of(ODD, st.text(max_size=300))


def sip(**changed: str) -> SipAccount:
    fields = {"username": "5551000", "secret": "s", "auth_username": "", "host": "sip.example", "contact": "5551000"}
    return SipAccount(**(fields | changed), port=5070, expiry_s=120)


@given(secret=ANY, transport=st.sampled_from(["udp", "tcp", "tls"]), domain=st.sampled_from(["", "ims.example"]))
def test_a_domain_and_a_transport_read_back_with_any_secret(secret: str, transport: str, domain: str) -> None:
    account = replace(sip(secret=secret, auth_username="u@ims.example"), transport=transport, domain=domain)
    try:
        line = sip_register(account, "trunk ims")
    except Unwritable:
        return
    assert read_sip(through_the_file(line)) == account


def through_the_file(line: str) -> str:
    conf = read_text(f"register => {line}\n".encode(), section="general")
    assert conf.refused is None
    assert conf.findings == []
    value = conf.sections[0].last("register")
    assert value is not None
    return value


@given(secret=ANY, auth_username=ANY)
def test_any_sip_secret_reads_back_or_is_refused(secret: str, auth_username: str) -> None:
    account = sip(secret=secret, auth_username=auth_username)
    try:
        line = sip_register(account, "trunk acme")
    except Unwritable as refusal:
        assert "trunk acme" in str(refusal)  # noqa: PT017 - either outcome is right
        return
    assert read_sip(through_the_file(line)) == account


@given(username=ANY, contact=ANY)
def test_any_sip_user_name_reads_back_or_is_refused(username: str, contact: str) -> None:
    account = sip(username=username, contact=contact)
    try:
        line = sip_register(account, "trunk acme")
    except Unwritable:
        return
    assert read_sip(through_the_file(line)) == account


@given(username=ANY, secret=ANY)
def test_any_iax_account_reads_back_or_is_refused(username: str, secret: str) -> None:
    account = IaxAccount(username, secret, "iax.example", None)
    try:
        line = iax_register(account, "trunk metro")
    except Unwritable as refusal:
        assert "trunk metro" in str(refusal)  # noqa: PT017 - either outcome is right
        return
    assert read_iax(through_the_file(line)) == account


@pytest.mark.parametrize(
    "secret",
    ["plain", "a:b", "p@ss", "a?b/c~d", 'quo"te', '"quoted"', " blank ", "semi;colon", "(((", "a=>b", "#x", "[x", "é€"],
)
def test_common_secrets_are_written(secret: str) -> None:
    assert read_sip(through_the_file(sip_register(sip(secret=secret), "trunk acme"))) == sip(secret=secret)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ('a:"b:c', "combination"),  # no spelling: the quote inside ends the protection of those around it
        ("two\nlines", "U+000A"),
        ("x" * 250, "255 bytes"),
    ],
)
def test_a_secret_that_chan_sip_cannot_hold_is_refused_with_the_reason(secret: str, said: str) -> None:
    with pytest.raises(Unwritable, match="trunk acme") as refusal:
        sip_register(sip(secret=secret), "trunk acme")
    assert said in str(refusal.value)
    assert secret not in str(refusal.value)


@pytest.mark.parametrize(
    ("secret", "said"),
    [("a:b", "':'"), ("a@b", "'@'"), ("[key]", "RSA"), ("x" * 80, "79 bytes"), (" ok", None), ("a?b/c~d", None)],
)
def test_an_iax_secret_is_written_or_refused_with_the_character(secret: str, said: str | None) -> None:
    account = IaxAccount("metro1", secret, "iax.example", 4570)
    if said is None:
        assert iax_register(account, "trunk metro") == write_iax(account)
        return
    with pytest.raises(Unwritable, match="trunk metro") as refusal:
        iax_register(account, "trunk metro")
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("user:se?cret@host~60", None),  # '?' ends a peer's name: chan_sip would register something else
        ("tcp://user:secret@host~60", SipAccount("user", "secret", "", "host", None, "s", 60, transport="tcp")),
        ("user@domain:secret@host~60", SipAccount("user", "secret", "", "host", None, "s", 60, domain="domain")),
        ("peer?user:secret@host~60", None),
        ("user:secret@host", None),  # without an expiry the default is asked for, not ours
        ("user:5080:secret:auth@host~60", None),
        ("user:secret:a\\@host~60", None),  # the scan would run past the end
        ("user:secret@host:5060/100~60", SipAccount("user", "secret", "", "host", 5060, "100", 60)),
    ],
)
def test_a_line_that_says_something_else_is_not_taken_for_ours(line: str, expected: SipAccount | None) -> None:
    assert read_sip(line) == expected
