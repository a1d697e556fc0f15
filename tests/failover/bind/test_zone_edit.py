from __future__ import annotations

from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from failover.bind.zone_edit import applied, edits, serial_of, values_of
from failover.bind.zone_text import ZoneFileUnclear, read_zone
from failover.name_servers.agreement import RecordKey

MAIN = Path("/etc/bind/acme.db")
A: RecordKey = ("pbx", "A")
TXT: RecordKey = ("_failover", "TXT")


def edited(files: dict[Path, bytes], want: dict[RecordKey, frozenset[str]], serial: int = 20) -> dict[Path, bytes]:
    zone = read_zone(MAIN, "acme.example", lambda path: files[path])
    return {**files, **applied(zone, edits(zone, "acme.example", want, serial=serial, ttl_s=30))}


def addresses(data: bytes, name: str = "pbx") -> set[str]:
    zone = dns.zone.from_text(data.decode("latin-1"), "acme.example.", check_origin=False)
    rdataset = zone.get_rdataset(name, dns.rdatatype.A)
    return {rdata.to_text() for rdata in rdataset or ()}


BLANK = st.sampled_from([" ", "\t", "   ", " \t "])
COMMENT = st.sampled_from(["", " ; pbx IN A 192.0.2.11", ";x", '; "quote', " ; (", "\t; 10 ; serial"])
END = st.sampled_from(["\n", "\r\n"])
OWNER = st.sampled_from(["pbx", "PBX", "pbx.acme.example.", r"\112bx"])
FILLER = st.sampled_from(
    [
        "; a comment alone",
        "",
        "   ; an indented comment",
        'mail IN TXT "a ; b ( c" "d\\"e"',
        "other 5m A 192.0.2.11",
        "  IN MX 10 pbx",
        "$TTL 2h",
        "in 300 IN A 192.0.2.11",
        "3600 A 192.0.2.11",
        "long IN TXT ( one ; two\n  three )",
    ]
)


@given(
    before=st.lists(FILLER, max_size=4),
    after=st.lists(FILLER, max_size=4),
    owner=OWNER,
    blank=BLANK,
    fields=st.sampled_from(["", "IN", "30 IN", "IN 30", "1h30m", "in 1H"]),
    comment=COMMENT,
    end=END,
    grouped=st.booleans(),
    soa=st.sampled_from(["( {0} 1d 2h 4w 1h )", "(\n\t{0} ; serial\n\t1d 2h\n\t4w 1h )", "{0} 1 2 3 4"]),
    last=st.booleans(),
)
def test_only_the_serial_and_the_address_change(
    before: list[str],
    after: list[str],
    owner: str,
    blank: str,
    fields: str,
    comment: str,
    end: str,
    grouped: bool,
    soa: str,
    last: bool,
) -> None:
    def text(serial: int, address: str) -> bytes:
        data = f"( {address} )" if grouped else address
        record = blank.join(part for part in (owner, fields, "A", data) if part)
        lines = [f"@ IN SOA ns1 host {soa.format(serial)}", "  NS ns1", *before, record + comment, *after]
        return (end.join(line.replace("\n", end) for line in lines) + (end if last else "")).encode()

    old = text(10, "192.0.2.11")
    assert edited({MAIN: old}, {A: frozenset({"192.0.2.12"})}) == {MAIN: text(20, "192.0.2.12")}


@given(
    st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"]), max_size=3, unique=True),
    st.sets(st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.4"]), max_size=3),
    st.sets(st.integers(0, 2)),
    st.booleans(),
)
def test_any_set_of_addresses_becomes_any_other_and_nobody_else_changes(
    there: list[str], want: set[str], named: set[int], follower: bool
) -> None:
    lines = ["@ SOA ns1 host 10 1 2 3 4", " NS ns1", "web A 192.0.2.9"]
    for index, address in enumerate(there):
        lines.append(f"{'pbx' if index == 0 or index in named else ''} 30 IN A {address} ; number {index}")
    if follower:
        lines += [f"{'' if there else 'pbx'} TXT stays", "zzz A 192.0.2.8"]
    old = ("\n".join(lines) + "\n").encode()
    new = edited({MAIN: old}, {A: frozenset(want)})[MAIN]
    assert addresses(new) == want
    assert addresses(new, "web") == {"192.0.2.9"}
    zone = dns.zone.from_text(new.decode(), "acme.example.", check_origin=False)
    assert (zone.get_rdataset("pbx", dns.rdatatype.TXT) is not None) is follower
    assert new.count(b"; number") == len(there)


def test_a_record_is_found_where_it_is_included() -> None:
    files = {
        MAIN: b"$TTL 1h\n@ SOA ns host (\n$INCLUDE serial.inc\n)\n".replace(b"(\n$INCLUDE serial.inc\n)", b"10 1 2 3 4")
        + b"$ORIGIN office\n$INCLUDE phones.inc acme.example.\nx A 192.0.2.9\n",
        MAIN.parent / "phones.inc": b"pbx A 192.0.2.11 ; here\n",
    }
    new = edited(files, {A: frozenset({"192.0.2.12"}), TXT: frozenset({"machine"})})
    assert new[MAIN.parent / "phones.inc"] == b"pbx A 192.0.2.12 ; here\n"
    assert new[MAIN].endswith(b'x A 192.0.2.9\n_failover.acme.example.\t30\tIN\tTXT\t"machine"\n')


def test_a_text_record_is_read_and_replaced_whole() -> None:
    old = b'@ SOA ns host 10 1 2 3 4\n_failover TXT ("one" ; first\n "two")\n'
    zone = read_zone(MAIN, "acme.example", lambda _: old)
    assert values_of(zone, "acme.example", TXT) == {"onetwo"}
    new = edited({MAIN: old}, {TXT: frozenset({"three"})})[MAIN]
    assert new == b'@ SOA ns host 20 1 2 3 4\n_failover TXT ("three" ; first\n )\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"pbx A 192.0.2.11\n", "one SOA record"),
        (b"@ SOA ns host 30 1 2 3 4\n", "from 30 back to 20"),
        (b"@ SOA ns host " + b"9" * 5000 + b" 1 2 3 4\n", "serial cannot be read"),
        (b"@ SOA ns host 10 1 2 3 4\npbx CNAME web\n", "alias"),
        (b"@ SOA ns host ( 10 1 2 3 4\n", "not closed"),
        (b'@ SOA ns host 10 1 2 3 4\nx TXT "open\n', "quote"),
        (b"@ SOA ns host 10 1 2 3 4\n)\n", "not opened"),
        (b" A 192.0.2.11\n", "without an owner"),
        (b"@ SOA ns host 10 1 2 3 4\n$WHAT x\n", "not known"),
        (b"@ SOA ns host 10 1 2 3 4\n$INCLUDE acme.db\n", "twice|itself"),
        (b"@ SOA ns host 10 1 2 3 4\n$INCLUDE gone.db\n", "cannot be read"),
    ],
)
def test_what_is_unclear_is_refused(text: bytes, words: str) -> None:
    def reader(path: Path) -> bytes:
        if path != MAIN:
            raise FileNotFoundError(2, "No such file or directory")
        return text

    def all_of_it() -> None:
        zone = read_zone(MAIN, "acme.example", reader)
        edits(zone, "acme.example", {A: frozenset({"192.0.2.12"})}, serial=20, ttl_s=30)

    with pytest.raises(ZoneFileUnclear, match=words):
        all_of_it()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(data: bytes) -> None:
    try:
        zone = read_zone(MAIN, "acme.example", lambda _: data)
        serial = serial_of(zone, "acme.example")
    except ZoneFileUnclear:
        return
    assume(serial >= 0)


def test_ten_thousand_records_are_read_once() -> None:
    many = b"".join(b"host%d A 10.0.%d.%d\n" % (n, n // 250, n % 250) for n in range(10_000))
    old = b"@ SOA ns host 10 1 2 3 4\npbx A 192.0.2.11\n" + many
    assert edited({MAIN: old}, {A: frozenset({"192.0.2.12"})})[MAIN] == old.replace(b"host 10 1", b"host 20 1").replace(
        b"192.0.2.11", b"192.0.2.12"
    )


def test_an_owner_is_not_handed_to_a_record_that_goes_as_well() -> None:
    """Two addresses become one, and the record that inherits their owner is of a family that goes too."""
    head = b"$TTL 1h\n@ SOA ns host 10 1 2 3 4\n NS ns\n"
    old = head + b"pbx A 192.0.2.11\npbx A 192.0.2.13\n AAAA 2001:db8::11\n TXT stays\n"
    new = edited({MAIN: old}, {A: frozenset({"192.0.2.12"}), ("pbx", "AAAA"): frozenset()})[MAIN]
    zone = dns.zone.from_text(new.decode(), "acme.example.", check_origin=False)
    assert addresses(new) == {"192.0.2.12"}
    assert zone.get_rdataset("pbx", dns.rdatatype.AAAA) is None
    assert zone.get_rdataset("pbx", dns.rdatatype.TXT) is not None


def test_a_record_without_data_is_named_by_its_line() -> None:
    head = b"@ 30 IN SOA ns1 host 10 1d 2h 4w 1h\n"
    with pytest.raises(ZoneFileUnclear, match=r":2: this A record has no data\."):
        edited({Path("/etc/bind/acme.db"): head + b"pbx 30 IN A\n"}, {("pbx", "A"): frozenset({"192.0.2.12"})})


def test_thousands_of_records_of_one_name_become_one() -> None:
    """Compared with each other, they would take minutes."""
    head = b"@ 30 IN SOA ns1 host 10 1d 2h 4w 1h\n"
    data = head + b"".join(b"pbx 30 IN A 192.0.2.%d\n" % (20 + count % 200) for count in range(3_000))
    done = edited({Path("/etc/bind/acme.db"): data}, {("pbx", "A"): frozenset({"192.0.2.12"})})
    assert addresses(b"$TTL 30\n" + done[Path("/etc/bind/acme.db")]) == {"192.0.2.12"}


def test_a_generate_with_any_number_of_numbers_is_compared_in_no_time() -> None:
    head = b"$TTL 1h\n@ SOA ns host 10 1 2 3 4\n NS ns\n"
    many = b"$GENERATE 1-2 a" + b"$a" * 25 + b" A 192.0.2.1\n$GENERATE 1-2 x" + b"${" * 5000 + b" A 192.0.2.1\n"
    with pytest.raises(ZoneFileUnclear, match=r"GENERATE|is not a name"):
        edited({MAIN: head + many}, {("a" * 60, "A"): frozenset({"192.0.2.12"})})


def test_letters_that_are_not_ascii_are_no_type_and_no_class() -> None:
    head = b"$TTL 1h\n@ SOA ns host 10 1 2 3 4\n NS ns\n"
    zone = read_zone(MAIN, "acme.example", lambda _: head + b"$GENERATE 1-2 a$ \xff\xb5 A x\nb \xff\xb5 A x\n")
    assert zone.generated[0].kind == zone.records[-1].kind == "\xff\xb5"
