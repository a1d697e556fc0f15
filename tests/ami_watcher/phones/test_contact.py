"""What the list actions of three channel drivers say about who is registered here."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_watcher.phones.contact import Contact, Reach, address_in, contacts_from

CONTACT_LIST = {
    "Event": "ContactList",
    "ObjectName": "100;@e3b0c44298fc1c14",
    "Uri": "sip:100@10.0.0.5:5060;ob",
    "ExpirationTime": "1700003600",
    "UserAgent": "Yealink T46",
    "Status": "Reachable",
    "RoundtripUsec": "3120",
    "ViaAddr": "192.168.1.20",
}
CONTACT_STATUS = {
    "Event": "ContactStatusDetail",
    "AOR": "100",
    "URI": "sip:100@10.0.0.5:5060;ob",
    "RegExpire": "1700003600",
    "UserAgent": "Yealink T46",
    "Status": "Reachable",
    "RoundtripUsec": "3120",
    "EndpointName": "100",
}
SIP_PEER = {
    "Event": "PeerEntry",
    "Channeltype": "SIP",
    "ObjectName": "100",
    "IPaddress": "10.0.0.5",
    "IPport": "5060",
    "Dynamic": "yes",
    "Status": "OK (12 ms)",
}
IAX_PEER = {
    "Event": "PeerEntry",
    "Channeltype": "IAX2",
    "ObjectName": "office/office",
    "IPaddress": "198.51.100.7",
    "IPport": "4569",
    "Dynamic": "yes",
    "Status": "Unmonitored",
}
PHONE = Contact("pjsip", "100", "10.0.0.5:5060", Reach.REACHABLE, 3.12, "Yealink T46", 1700003600.0)
SIP_PHONE = Contact("sip", "100", "10.0.0.5:5060", Reach.REACHABLE, 12.0)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (CONTACT_LIST, PHONE),
        (CONTACT_STATUS, PHONE),
        (SIP_PEER, SIP_PHONE),
        (IAX_PEER, Contact("iax2", "office", "198.51.100.7:4569", Reach.UNMONITORED)),
        (
            CONTACT_LIST | {"Status": "NonQualified", "RoundtripUsec": "N/A", "UserAgent": ""},
            Contact("pjsip", "100", "10.0.0.5:5060", Reach.UNMONITORED, None, None, 1700003600.0),
        ),
        (  # written in pjsip.conf: it never registered and never expires
            CONTACT_LIST | {"ObjectName": "acme@@0a1b", "ExpirationTime": "0", "UserAgent": "", "Uri": "sip:192.0.2.5"},
            Contact("pjsip", "acme", "192.0.2.5", Reach.REACHABLE, 3.12, dynamic=False),
        ),
        (CONTACT_LIST | {"ObjectName": "a;@b@@c;@e3b0"}, replace(PHONE, name="a;@b@@c")),
        (CONTACT_LIST | {"Status": "Perplexed"}, replace(PHONE, reach=Reach.UNKNOWN, rtt_ms=None)),
        (CONTACT_LIST | {"ExpirationTime": "1e999"}, replace(PHONE, expires_at=None, dynamic=False)),
        (SIP_PEER | {"Status": "LAGGED (2040 ms)"}, replace(SIP_PHONE, reach=Reach.LAGGED, rtt_ms=2040.0)),
        (SIP_PEER | {"Status": "UNREACHABLE"}, replace(SIP_PHONE, reach=Reach.UNREACHABLE, rtt_ms=None)),
        (SIP_PEER | {"IPaddress": "2001:db8::5"}, replace(SIP_PHONE, address="[2001:db8::5]:5060")),
        (SIP_PEER | {"Dynamic": "no"}, replace(SIP_PHONE, dynamic=False)),
    ],
)
def test_each_list_is_read_into_the_same_shape(item: dict[str, str], expected: Contact) -> None:
    assert contacts_from([item]) == (expected,)


@pytest.mark.parametrize(
    "item",
    [
        SIP_PEER | {"IPaddress": "-none-", "IPport": "0"},
        IAX_PEER | {"IPaddress": "(null)"},
        IAX_PEER | {"ObjectName": ""},
        CONTACT_LIST | {"Uri": ""},
        CONTACT_STATUS | {"AOR": ""},
        {"Event": "AuthDetail", "Password": "open sesame"},
        {"Event": "ContactListComplete", "ListItems": "0"},
        {},
    ],
)
def test_who_is_not_registered_is_left_out(item: dict[str, str]) -> None:
    assert contacts_from([item]) == ()


def test_one_phone_in_two_lists_is_one_contact_and_each_list_fills_in_what_the_other_leaves_out() -> None:
    bare = CONTACT_LIST | {"UserAgent": "", "Status": "Unknown", "ExpirationTime": ""}
    assert contacts_from([bare, CONTACT_STATUS]) == (PHONE,)
    assert contacts_from([CONTACT_STATUS, bare]) == (PHONE,)


def test_two_phones_on_one_aor_are_two_contacts() -> None:
    other = CONTACT_LIST | {"Uri": "sip:100@10.0.0.9:5060"}
    assert [contact.address for contact in contacts_from([other, CONTACT_LIST])] == ["10.0.0.5:5060", "10.0.0.9:5060"]


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sip:100@10.0.0.5:5060", "10.0.0.5:5060"),
        ("sip:100;phone-context=x@10.0.0.5:5060;transport=tcp", "10.0.0.5:5060"),
        ("sips:100@[2001:db8::5]:5061;x-ast-orig-host=a@b", "[2001:db8::5]:5061"),
        ("<sip:pbx.example?Subject=x>", "pbx.example"),
        ("10.0.0.5:5060", "10.0.0.5:5060"),
    ],
)
def test_the_address_in_a_uri_is_where_packets_go(uri: str, address: str) -> None:
    assert address_in(uri) == address


@given(st.lists(st.dictionaries(st.sampled_from([*CONTACT_LIST, *CONTACT_STATUS, *SIP_PEER]), st.text(max_size=300))))
def test_no_item_can_break_the_list_or_make_a_value_without_bound(items: list[dict[str, str]]) -> None:
    for event in ("ContactList", "ContactStatusDetail", "PeerEntry"):
        for contact in contacts_from(item | {"Event": event} for item in items):
            assert contact.name
            assert contact.address
            assert max(len(contact.name), len(contact.address), len(contact.user_agent or "")) <= 256
