"""Who came, who went, who moved, and who has not come back after a failover."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_watcher.phones.contact import Contact, Reach
from ami_watcher.phones.inventory import (
    ContactExport,
    ExportInvalid,
    Inventory,
    KnownContact,
    decode_export,
    encode_export,
    missing_contacts,
)

DESK = Contact("pjsip", "100", "10.0.0.5:5060", Reach.REACHABLE, 3.0, "Desk phone", 1_060.0)
SOFT = Contact("pjsip", "200", "10.0.0.9:5060", Reach.UNMONITORED, None, "Soft phone", 1_600.0)
TRUNK = Contact("sip", "carrier", "192.0.2.5:5060", Reach.REACHABLE, dynamic=False)


def test_each_change_between_two_lists_is_told_once() -> None:
    inventory = Inventory()
    told = inventory.take([DESK, SOFT], 1000.0)
    assert [(entry.subject, entry.before, entry.after) for entry in told] == [
        ("100", None, "10.0.0.5:5060 reachable"),
        ("200", None, "10.0.0.9:5060"),
    ]
    assert inventory.take([DESK, SOFT], 1030.0) == []
    told = inventory.take([replace(DESK, reach=Reach.UNREACHABLE)], 1060.0)
    assert [(entry.subject, entry.before, entry.after) for entry in told] == [
        ("100", "10.0.0.5:5060 reachable", "10.0.0.5:5060 unreachable"),
        ("200", "10.0.0.9:5060", None),
    ]


def test_a_phone_that_moves_is_one_change() -> None:
    inventory = Inventory()
    inventory.take([SOFT], 1000.0)
    moved = replace(SOFT, address="10.0.0.9:40002")
    (entry,) = inventory.take([moved], 1030.0)
    assert (entry.before, entry.after) == ("10.0.0.9:5060", "10.0.0.9:40002")


def test_it_is_remembered_since_when_and_until_when_a_phone_was_here() -> None:
    inventory = Inventory()
    inventory.take([DESK], 1000.0)
    inventory.take([DESK], 1030.0)
    inventory.take([], 1060.0)
    (known,) = inventory.known
    assert (known.first_seen, known.last_seen, known.here) == (1000.0, 1030.0, False)


def test_the_longest_gone_are_forgotten_first_and_those_here_never() -> None:
    inventory = Inventory(most=2)
    inventory.take([replace(DESK, name=str(number)) for number in range(3)], 1000.0)
    inventory.take([replace(DESK, name="2"), SOFT], 2000.0)
    inventory.forget(before=500.0)
    assert sorted(item.contact.name for item in inventory.known) == ["2", "200"]
    inventory.take([SOFT], 3000.0)
    inventory.forget(before=2500.0)
    assert [item.contact.name for item in inventory.known] == ["200"]


def known(contact: Contact, *, here: bool = True, last_seen: float = 1000.0) -> KnownContact:
    return KnownContact(contact, 0.0, last_seen, here)


@pytest.mark.parametrize(
    ("exported", "here", "now", "names", "there"),
    [
        # dallas lives and has them
        ([known(DESK), known(SOFT)], [], 1030.0, [], 2),
        # dallas is dead: its list grows old; whoever is due first comes first
        ([known(SOFT), known(DESK)], [], 1500.0, ["100", "200"], 0),
        # one is back, under whatever driver this machine runs
        ([known(SOFT), known(DESK)], [replace(DESK, channel="sip", address="10.0.0.5:5062")], 1500.0, ["200"], 0),
        # a planned switchover: dallas lives, its bindings end, and the phones should come here
        ([known(DESK, here=False), known(SOFT)], [], 1030.0, ["100"], 1),
        # gone for longer than a day before dallas's last word
        ([known(DESK, here=False, last_seen=-90_000.0)], [], 1500.0, [], 0),
        # dallas is dead, and its clock was an hour ahead
        ([known(DESK)], [], -2600.0, ["100"], 0),
        # two addresses of one phone are one phone
        ([known(DESK), known(replace(DESK, address="10.0.0.6:5060"))], [], 1500.0, ["100"], 0),
    ],
)
def test_missing_is_who_is_on_neither_machine(
    exported: list[KnownContact], here: list[Contact], now: float, names: list[str], there: int
) -> None:
    found, still_there = missing_contacts(ContactExport("dallas", 1000.0, tuple(exported)), here, now)
    assert [item.name for item in found] == names
    assert still_there == there


def test_the_missing_are_waited_for_until_their_binding_ends() -> None:
    (found,), _ = missing_contacts(ContactExport("dallas", 1000.0, (known(DESK),)), [], 1500.0)
    assert (found.expires_at, found.last_seen, found.user_agent) == (1_060.0, 1000.0, "Desk phone")


def test_trunks_are_no_phones_that_could_come_back() -> None:
    inventory = Inventory()
    inventory.take([DESK, TRUNK], 1000.0)
    assert [item.contact.name for item in inventory.export("boston", 1000.0).known] == ["100"]


words = st.text(min_size=1, max_size=40)
contacts = st.builds(
    Contact,
    channel=st.sampled_from(["pjsip", "sip", "iax2"]),
    name=words,
    address=words,
    reach=st.sampled_from(list(Reach)),
    rtt_ms=st.none(),
    user_agent=st.none() | words,
    expires_at=st.none() | st.floats(0, 1e10),
)
everybody = st.builds(
    KnownContact, contact=contacts, first_seen=st.floats(0, 1e10), last_seen=st.floats(0, 1e10), here=st.booleans()
)


@given(st.lists(everybody, max_size=5), st.floats(0, 1e10))
def test_what_is_written_is_read_whatever_phones_call_themselves(phones: list[KnownContact], at: float) -> None:
    export = ContactExport("boston", at, tuple(phones))
    assert decode_export(encode_export(export), machine="boston") == export


GOOD = json.loads(encode_export(ContactExport("dallas", 1000.0, (known(DESK),))))


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        GOOD | {"format": 2},
        GOOD | {"machine": "boston"},
        GOOD | {"at": "yesterday"},
        GOOD | {"at": float("nan")},
        GOOD | {"contacts": None},
        GOOD | {"contacts": [GOOD["contacts"][0] | {"name": 7}]},
        GOOD | {"contacts": [GOOD["contacts"][0] | {"reach": "by smoke"}]},
        GOOD | {"contacts": [GOOD["contacts"][0] | {"expires_at": float("inf")}]},
    ],
)
def test_another_machines_file_is_believed_only_as_a_whole(document: object) -> None:
    with pytest.raises(ExportInvalid, match="dallas"):
        decode_export(json.dumps(document).encode(), machine="dallas")


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_be_refused(data: bytes) -> None:
    with pytest.raises(ExportInvalid):
        decode_export(data, machine="dallas")
