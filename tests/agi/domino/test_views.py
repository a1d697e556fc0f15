"""Reading ReadViewEntries: the captured shapes, the faults, and anything else that a server may send."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agi.domino import decoding
from agi.domino.errors import DominoError, DominoNotData
from agi.domino.rows import DominoRow, same_key
from agi.domino.views import DominoView, from_json, from_xml, read
from host.http import HttpResponse
from lab.domino import pages

JSON_TYPE = "application/json"
EMPTY = '{"@toplevelentries": "77"}'


def reply(body: str | bytes, *, status: int = 200, kind: str = JSON_TYPE, charset: str | None = None) -> HttpResponse:
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    claimed = kind if charset is None else f"{kind}; charset={charset}"
    return HttpResponse(status, (("Content-Type", claimed),), raw)


def entries(*cells: str) -> str:
    return '{"@toplevelentries":"1","viewentry":[{"@unid":"A","entrydata":[' + ",".join(cells) + "]}]}"


def cell(value: str) -> str:
    return f'{{"@columnnumber":"0","@name":"Name",{value}}}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"text":{"0":"Müller"}', ("Müller",)),
        ('"number":{"0":"158"}', ("158",)),
        ('"number":{"0":158}', ("158",)),  # XPages does not quote
        ('"datetime":{"0":"20090821T053923,49Z"}', ("20090821T053923,49Z",)),
        ('"datetime":{"dst":"true","0":"20160801T123456,00-04"}', ("20160801T123456,00-04",)),
        ('"textlist":{"text":[{"0":"a"},{"0":"b"}]}', ("a", "b")),
        ('"textlist":{"text":{"0":"a"}}', ("a",)),
        ('"numberlist":{"number":[{"0":1},{"0":"2"}]}', ("1", "2")),
        ('"datetimelist":{"datetime":[{"0":"20160801"}]}', ("20160801",)),
        ('"datetimelist":{"datetimepair":[{"datetime":[{"0":"20160801"},{"0":"20160802"}]}]}', ("20160801/20160802",)),
        ('"datetimelist":{"datetimepair":{"datetime":[{"0":"A"},{"0":"B"}]},"datetime":{"0":"C"}}', ("C", "A/B")),
        ('"datetimelist":{"datetimepair":[[{"0":"A"},{"0":"B"}],[{"0":"C"},{"0":"D"}]]}', ("A/B", "C/D")),
        ('"datetimepair":{"datetime":[{"0":"A"},{"dst":"true","0":"B"}]}', ("A/B",)),
        ('"datetimelist":{"datetimepair":[]}', ()),
        ('"boolean":{"0":true}', ("true",)),
        ('"text":{"0":"<\\!--\\>\\\'x\\\'"}', ("<!-->'x'",)),  # escapes that JSON does not know
        ('"text":{"0":"a\rb"}', ("a\rb",)),  # raw control characters
        ('"text":{"0":"\\ud83d\\ude00 \\ud83d"}', ("😀 �",)),  # half a pair
    ],
)
def test_values_come_in_every_shape_that_domino_writes(value: str, expected: tuple[str, ...]) -> None:
    (row,) = read(reply(entries(cell(value))), "json")
    assert row.columns == ({"Name": expected} if expected else {})


@pytest.mark.parametrize(
    "body", [EMPTY, '{"@toplevelentries":"0","viewentry":[]}', '{"@toplevelentries":"3","viewentry":null}']
)
def test_a_view_without_rows_is_empty_and_not_wrong(body: str) -> None:
    assert read(reply(body), "json") == ()


def test_a_single_entry_may_stand_without_its_list() -> None:
    body = '{"@toplevelentries":"1","viewentry":{"@unid":"A","entrydata":{"@name":"Name","text":{"0":"x"}}}}'
    assert read(reply(body), "json") == (DominoRow({"Name": ("x",)}),)


@pytest.mark.parametrize(
    ("given_reply", "says"),
    [
        (reply("<html>Please identify yourself</html>", kind="text/html"), "Please identify yourself"),
        (reply("<html>Please identify yourself</html>"), "broken JSON"),  # a page that claims to be JSON
        (reply(EMPTY, kind="text/html"), "a page instead of data"),
        (reply(EMPTY, kind=""), "no content type"),
        (reply("{}"), "@toplevelentries"),
        (reply("[]"), "@toplevelentries"),
        (reply('""'), "@toplevelentries"),
        (reply(EMPTY[:-1]), "half of it"),
        (reply("[" * 100_000), "broken JSON"),
        (reply(""), "broken JSON"),
        (reply(EMPTY, status=404), "404"),
        (reply(EMPTY, status=302), "redirects"),
        (reply(EMPTY, status=401), "401"),
        (reply(EMPTY, status=503), "503"),
        (reply('{"@toplevelentries":"1","viewentry":["x"]}'), "not an object"),
        (reply('{"@toplevelentries":"1","viewentry":7}'), "not a list"),
        (reply(entries(cell('"text":{"0":{"x":1}}'))), "neither text nor number"),
    ],
)
def test_whatever_is_not_data_is_an_error_and_never_an_empty_view(given_reply: HttpResponse, says: str) -> None:
    with pytest.raises(DominoError, match=says.replace("(", "\\(")):
        read(given_reply, "json")


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (entries(cell('"text":{"0":"Müller"}')).encode(), "iso-8859-1"),  # the live server's lie
        (entries(cell('"text":{"0":"Müller"}')).encode(), None),
        (b"\xef\xbb\xbf" + entries(cell('"text":{"0":"Müller"}')).encode(), "utf-8"),
        (entries(cell('"text":{"0":"Müller"}')).encode("latin-1"), "utf-8"),
        (entries(cell('"text":{"0":"Müller"}')).encode("latin-1"), "rot13"),
        (entries(cell('"text":{"0":"Müller"}')).encode("latin-1"), "no-such-charset"),
    ],
)
def test_a_lying_charset_does_not_spoil_a_name(body: bytes, charset: str | None) -> None:
    (row,) = read(reply(body, charset=charset), "json")
    assert row.columns["Name"] == ("Müller",)


VIEW = DominoView("p.nsf", "v", "Number")


HEADING = {"@position": "1.1", "@noteid": "80000008", "@children": "1", "@descendants": "1"}
DOCUMENT = {"@position": "1.1.1", "@unid": "A" * 32, "@noteid": "8FA"}
NAME = {"@columnnumber": "2", "@name": "Name", "text": {"0": "Zoe"}}


@pytest.mark.parametrize(
    ("entry", "document"),
    [
        ({**DOCUMENT, "entrydata": [NAME]}, True),
        ({**HEADING, "entrydata": [{**NAME, "@category": "true"}]}, False),  # where Domino marks it
        ({**HEADING, "@category": "true", "entrydata": [NAME]}, False),
        ({**HEADING, "entrydata": [NAME]}, False),  # unmarked, and without a unid
        ({"@categorytotal": "true", "entrydata": [NAME]}, False),
        ({**DOCUMENT, "@categorytotal": "true", "entrydata": [NAME]}, False),
        ({**DOCUMENT, "@unid": "0" * 32, "entrydata": [NAME]}, False),
        ({**DOCUMENT, "@unid": "", "entrydata": [NAME]}, False),
        ({**DOCUMENT, "@response": "true", "@indent": "1", "entrydata": NAME}, True),
    ],
)
def test_headings_totals_and_what_has_no_unid_are_no_documents(entry: dict[str, Any], document: bool) -> None:
    (row,) = read(reply(json.dumps({"@toplevelentries": "12", "viewentry": [entry]})), "json")
    assert row.document is document
    assert row.columns == {"Name": ("Zoe",)}
    marks = "".join(f' {name[1:]}="{value}"' for name, value in entry.items() if name[0] == "@")
    cells = entry["entrydata"] if isinstance(entry["entrydata"], list) else [entry["entrydata"]]
    inner = "".join(
        f'<entrydata name="Name"{" category=" + chr(34) + "true" + chr(34) if "@category" in one else ""}>'
        "<text>Zoe</text></entrydata>"
        for one in cells
    )
    xml = f'<viewentries toplevelentries="12"><viewentry{marks}>{inner}</viewentry></viewentries>'
    assert from_xml(xml) == (row,)


def test_ranges_of_time_are_read_in_xml_as_well() -> None:
    cell = (
        "<datetimelist><datetime>C</datetime><datetimepair><datetime>A</datetime><datetime>B</datetime></datetimepair>"
    )
    for text, expected in (
        (f"{cell}</datetimelist>", ("C", "A/B")),
        ("<datetimepair><datetime>A</datetime><datetime>B</datetime></datetimepair>", ("A/B",)),
        ("<datetimelist><datetimepair/></datetimelist>", ()),
    ):
        xml = f'<viewentries><viewentry unid="A"><entrydata name="When">{text}</entrydata></viewentry></viewentries>'
        (row,) = from_xml(xml)
        assert row.columns.get("When", ()) == expected


def numbered(*numbers: str) -> str:
    return pages.view_json([{"Number": number, "Name": number} for number in numbers], 77)


@pytest.mark.parametrize(
    ("numbers", "key", "found"),
    [
        (("+1", "+2"), "+1", 1),
        (("+2", "+3"), "+1", 0),  # StartKey is a position: what follows is not the answer
        (("MÜLLER",), "muller", 1),  # Domino compares without case and accents
        (("+1 ",), "+1", 1),
        ((), "+1", 0),
    ],
)
def test_startkey_results_are_compared_with_the_key(numbers: tuple[str, ...], key: str, found: int) -> None:
    assert len(VIEW.read(reply(numbered(*numbers)), key)) == found


def test_a_key_column_that_the_view_does_not_have_is_said_and_not_taken_for_not_found() -> None:
    with pytest.raises(DominoNotData, match="key_column 'Phone'; it has: Name, Number"):
        DominoView("p.nsf", "v", "Phone").read(reply(numbered("+1")), "+1")


def test_headings_are_no_documents_and_a_conflict_comes_last() -> None:
    rows = [
        {"@category": "true", "Number": "+1"},
        {"@conflict": "true", "Number": "+1", "Name": "conflict"},
        {"Number": "+1", "Name": "genuine"},
    ]
    for output, kind, body in (
        ("json", JSON_TYPE, pages.view_json(rows, 3)),
        ("xml", "text/xml", pages.view_xml(rows, 3)),
    ):
        view = DominoView("p.nsf", "v", "Number", "json" if output == "json" else "xml")
        found = view.read(reply(body, kind=kind), "+1")
        assert [row.columns["Name"] for row in found] == [("genuine",), ("conflict",)]


XML = '<?xml version="1.0" encoding="UTF-8"?>\n<viewentries toplevelentries="1"><viewentry>{}</viewentry></viewentries>'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<text>Müller &amp; Co</text>", ("Müller & Co",)),
        ("<number>158</number>", ("158",)),
        ('<datetime dst="true">20100423T103000,00Z</datetime>', ("20100423T103000,00Z",)),
        ("<textlist><text>a</text><text>b</text></textlist>", ("a", "b")),
        ("<text>&#55357;&#56832;</text>", ("😀",)),  # two halves, which no parser takes
        ("<text>&#xD83D;&#xDE00;</text>", ("😀",)),
        ("<text>a&#55357;b</text>", ("a�b",)),
        ("<text>a&#0;&#11;b&#x110000;\x08</text>", ("a��b��",)),
        ("<text/>", None),
    ],
)
def test_xml_values_are_read_with_their_broken_references(value: str, expected: tuple[str, ...] | None) -> None:
    (row,) = from_xml(XML.format(f'<entrydata columnnumber="0" name="Name">{value}</entrydata>'))
    assert row.columns.get("Name") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><viewentries>&a;</viewentries>', "DTD"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><viewentries/>', "DTD"),
        ("<viewentries>", "half of it"),
        ("<html><body>Error</body></html>", "root is not"),
        ("<viewentries>&unknown;</viewentries>", "broken XML"),
        ("<viewentries>" + "<a>" * 500, "deep"),
        ("", "broken XML"),
    ],
)
def test_xml_that_is_hostile_or_broken_is_refused(text: str, says: str) -> None:
    with pytest.raises(DominoNotData, match=says):
        from_xml(text)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff"), min_size=1, max_size=40).filter(
    lambda text: text.isprintable()
)
NAMES = TEXTS.filter(lambda name: name[0] != "@")
TIMES = st.sampled_from(["20260801", "20260801T123456,00-04", "20260801T123456,00Z"])
RANGES = st.fixed_dictionaries(
    {"datetimelist": st.lists(TIMES, max_size=2), "pairs": st.lists(st.tuples(TIMES, TIMES))}
)
RECORDS = st.lists(st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, min_size=2) | RANGES), max_size=4)


def _times(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(value)
    return (*value["datetimelist"], *(f"{begin}/{end}" for begin, end in value["pairs"]))


@settings(max_examples=40)
@given(RECORDS)
def test_what_the_stand_in_writes_is_read_back_in_both_formats(records: list[dict[str, Any]]) -> None:
    expected = [
        {
            name: texts
            for name, value in record.items()
            if (texts := (value,) if isinstance(value, str) else _times(value))
        }
        for record in records
    ]
    as_json = read(reply(pages.view_json(records, 9)), "json")
    as_xml = read(reply(pages.view_xml(records, 9), kind="text/xml"), "xml")
    assert [row.columns for row in as_json] == expected
    assert [row.columns for row in as_xml] == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["viewentry", "entrydata", "@name", "@toplevelentries", "text", "textlist", "0"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ANYTHING)
@example({"@toplevelentries": "1", "viewentry": [{"entrydata": [{"@name": 7}]}]})
@example({"@toplevelentries": "1", "viewentry": [{"entrydata": [{"@name": "x", "textlist": {"text": 7}}]}]})
def test_no_json_is_worse_than_an_error(found: Any) -> None:
    try:
        rows = from_json(found)
    except DominoNotData:
        return
    for row in rows:
        assert all(isinstance(value, str) for values in row.columns.values() for value in values)


@given(st.binary(max_size=300), st.sampled_from(["json", "xml"]), st.none() | st.text(max_size=10))
@example(b'{"@toplevelentries": "1", "viewentry": [' + b"9" * 5000, "json", None)
@example(b"<viewentries>" + b"&#9999999999;" + b"</viewentries>", "xml", None)
def test_no_bytes_are_worse_than_an_error(body: bytes, output: str, charset: str | None) -> None:
    kind = JSON_TYPE if output == "json" else "text/xml"
    with contextlib.suppress(DominoError):
        read(reply(body, kind=kind, charset=charset), "json" if output == "json" else "xml")


@given(ANYTHING.filter(lambda value: value == value))
def test_mending_leaves_valid_json_alone(value: Any) -> None:
    text = json.dumps(value)
    assert decoding.mend_json(text) == text


@given(st.text())
def test_every_key_is_itself_in_any_case(text: str) -> None:
    assert same_key(text, text.strip())
    assert same_key(text, text.casefold())


@pytest.mark.parametrize(
    ("view", "target"),
    [
        (DominoView("crm/phones.nsf", "(By Number)", "Number"), "/crm/phones.nsf/%28By%20Number%29?ReadViewEntries"),
        (DominoView("/crm/phones.nsf", "v", "Number", "xml"), "/crm/phones.nsf/v?ReadViewEntries&Count=10&StartKey="),
        (DominoView("p.nsf", "v", None), "/p.nsf/v?ReadViewEntries&OutputFormat=JSON&Count=10&RestrictToCategory="),
    ],
)
def test_requests_say_all_that_domino_needs_and_encode_the_key(view: DominoView, target: str) -> None:
    asked = view.ask("+1 &Count=999#/").target
    assert asked.startswith(target)
    assert asked.endswith("=%2B1%20%26Count%3D999%23%2F")
