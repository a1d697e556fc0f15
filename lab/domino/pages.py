"""What the fake Domino writes: each format byte for byte as live servers do, with their faults.

Sources: captures of `?ReadViewEntries` in XML and JSON, IBM's source of Domino Access Services, the SOAP 1.1 note.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

Value = str | int | float | Sequence[str] | Mapping[str, Any]
"""A text, a number, a list of texts, {"datetime": "20160801T123456,00-04", "dst": True}, or
{"datetimelist": ["20160801"], "pairs": [["20160801T08…", "20160801T17…"]]}."""
Record = Mapping[str, Value]
"""Columns by name. "@category" makes it a heading, "@total" a row of totals, "@conflict" a replication conflict;
"@position" is given where it is not the row's number, such as 1.1 below a heading."""


def folded(text: str) -> str:
    """How Domino compares keys: without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def view_json(rows: Iterable[Record], total: int, first: int = 1) -> str:
    r"""`OutputFormat=JSON`: all values are strings, empty columns and an empty `viewentry` are left out, `\>` comes."""
    lines = ["{", '"@timestamp": "20260902T193518,00Z",', f'"@toplevelentries": "{total}"']
    entries = [_json_entry(row, first + at, total) for at, row in enumerate(rows)]
    if entries:
        lines[-1] += ","
        lines += ['"viewentry": [', ",\n".join(entries), "]"]
    return "\r\n".join([*lines, "}", ""])


def _json_entry(row: Record, position: int, total: int) -> str:
    where = row.get("@position", position)
    heading = ""
    if "@category" in row:
        marks = f'"@position": "{where}",\n"@noteid": "80000024",\n"@children": "1",\n"@descendants": "1",\n'
        heading = '"@category": "true",\n'
    elif "@total" in row:
        marks = '"@categorytotal": "true",\n'
    else:
        conflict = '"@conflict": "true",\n' if "@conflict" in row else ""
        marks = (
            f'"@position": "{where}",\n"@unid": "{_unid(position)}",\n"@noteid": "{position:X}A6",\n'
            f'"@siblings": "{total}",\n{conflict}'
        )
    cells = [
        f'{{\n"@columnnumber": "{number}",\n"@name": {_domino_string(name)},\n{heading}{_json_value(value)}\n}}'
        for number, (name, value) in enumerate(row.items())
        if not name.startswith("@") and value != ""
    ]
    return f'{{\n{marks}"entrydata": [\n' + ",\n".join(cells) + "\n]\n}"


def _json_value(value: Value) -> str:
    if isinstance(value, str):
        return f'"text": {{\n"0": {_domino_string(value)}\n}}'
    if isinstance(value, int | float):
        return f'"number": {{\n"0": "{value}"\n}}'
    if isinstance(value, Mapping):
        if "datetimelist" in value:
            singles = ",\n".join(f'{{\n"0": "{one}"\n}}' for one in value["datetimelist"])
            pairs = ",\n".join(
                '{\n"datetime": [\n' + ",\n".join(f'{{\n"0": "{end}"\n}}' for end in pair) + "\n]\n}"
                for pair in value.get("pairs", ())
            )
            parts = [f'"datetime": [\n{singles}\n]'] * bool(singles) + [f'"datetimepair": [\n{pairs}\n]'] * bool(pairs)
            return '"datetimelist": {\n' + ",\n".join(parts) + "\n}"
        dst = '"dst": "true",\n' if value.get("dst") else ""
        return f'"datetime": {{\n{dst}"0": "{value["datetime"]}"\n}}'
    values = ",\n".join(f'{{\n"0": {_domino_string(one)}\n}}' for one in value)
    return f'"textlist": {{\n"text": [\n{values}\n]\n}}'


def _domino_string(text: str) -> str:
    """A JSON string as Domino writes it: some backslashes too many, and UTF-8 as it is."""
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace(">", "\\>").replace("!", "\\!").replace("'", "\\'").replace("/", "\\/")


def view_xml(rows: Iterable[Record], total: int, first: int = 1) -> str:
    """The XML; a character beyond U+FFFF comes as the references of its two halves, which no parser takes."""
    entries = "".join(_xml_entry(row, first + at, total) for at, row in enumerate(rows))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<viewentries timestamp="20100416T112140,02Z" toplevelentries="{total}">\n{entries}</viewentries>\n'
    )


def _xml_entry(row: Record, position: int, total: int) -> str:
    where = row.get("@position", position)
    heading = ""
    if "@category" in row:
        marks, heading = f'position="{where}" noteid="80000024" children="1" descendants="1"', ' category="true"'
    elif "@total" in row:
        marks = 'categorytotal="true"'
    else:
        conflict = ' conflict="true"' if "@conflict" in row else ""
        marks = f'position="{where}" unid="{_unid(position)}" noteid="{position:X}A6" siblings="{total}"{conflict}'
    cells = "".join(
        f'\t<entrydata columnnumber="{number}" name={quoteattr(name)}{heading}>{_xml_value(value)}</entrydata>\n'
        for number, (name, value) in enumerate(row.items())
        if not name.startswith("@") and value != ""
    )
    return f"<viewentry {marks}>\n{cells}</viewentry>\n"


def _xml_value(value: Value) -> str:
    if isinstance(value, str):
        return f"<text>{_xml_text(value)}</text>"
    if isinstance(value, int | float):
        return f"<number>{value}</number>"
    if isinstance(value, Mapping):
        if "datetimelist" in value:
            singles = "".join(f"<datetime>{one}</datetime>" for one in value["datetimelist"])
            pairs = "".join(
                "<datetimepair>" + "".join(f"<datetime>{end}</datetime>" for end in pair) + "</datetimepair>"
                for pair in value.get("pairs", ())
            )
            return f"<datetimelist>{singles}{pairs}</datetimelist>"
        dst = ' dst="true"' if value.get("dst") else ""
        return f"<datetime{dst}>{value['datetime']}</datetime>"
    return "<textlist>" + "".join(f"<text>{_xml_text(one)}</text>" for one in value) + "</textlist>"


def _xml_text(text: str) -> str:
    def halves(one: str) -> str:
        code = ord(one) - 0x10000
        return one if code < 0 else f"&#{0xD800 + (code >> 10)};&#{0xDC00 + (code & 0x3FF)};"

    return "".join(map(halves, escape(text)))


def collection(rows: Iterable[Record], database: str, total: int) -> str:
    """Domino Access Services: a bare array."""
    return json.dumps(
        [
            {
                "@href": f"/{database}/api/data/collections/name/View/unid/{_unid(position)}",
                "@link": {"rel": "document", "href": f"/{database}/api/data/documents/unid/{_unid(position)}"},
                "@entryid": f"{position}-{_unid(position)}",
                "@unid": _unid(position),
                "@noteid": f"{position:X}A6",
                "@position": str(position),
                "@siblings": total,
                "@form": "Person",
                **{name: plain(value) for name, value in row.items() if not name.startswith("@")},
            }
            for position, row in enumerate(rows, 1)
        ],
        indent=2,
        ensure_ascii=False,
    )


def service_error(code: int, text: str, message: str) -> str:
    """An error of Domino Access Services, with the stack trace that it likes to add."""
    return json.dumps({"code": code, "text": text, "message": message, "type": "text", "data": "com.ibm.domino.das …"})


def plain(value: Value) -> Value:
    """As a JSON value outside of views: a datetime is a text there."""
    if isinstance(value, Mapping):
        ranges = ["/".join(pair) for pair in value.get("pairs", ())]
        return [*value["datetimelist"], *ranges] if "datetimelist" in value else str(value["datetime"])
    return value


def shown(value: Value) -> str:
    """As one text."""
    kept = plain(value)
    return kept if isinstance(kept, str) else ", ".join(kept) if isinstance(kept, Sequence) else str(kept)


def wrapped(printed: str) -> str:
    """An agent's output when its first line was no Content-Type."""
    return f'<html>\n<head>\n</head>\n<body text="#000000">\n{printed}</body>\n</html>\n'


def soap_answer(operation: str, namespace: str, fields: Record) -> str:
    """The answer of a document/literal operation."""
    inner = "".join(f"<{name}>{escape(shown(value))}</{name}>" for name, value in fields.items() if name[0] != "@")
    answer = f"<ns1:{operation}Response xmlns:ns1={quoteattr(namespace)}>{inner}</ns1:{operation}Response>"
    return _envelope(answer)


def soap_fault(text: str) -> str:
    """A fault; it goes with status 500."""
    return _envelope(
        "<soapenv:Fault><faultcode>soapenv:Server.userException</faultcode>"
        f"<faultstring>{escape(text)}</faultstring><detail/></soapenv:Fault>"
    )


def _envelope(inner: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">\n '
        f"<soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>\n"
    )


def login_page(reason: int = 0) -> str:
    """What everybody gets, with status 200, who is not logged in."""
    said = {0: "Please identify yourself", 2: "You provided an invalid username or password."}.get(reason, "")
    return (
        f"<html><head><title>Server Login</title></head><body><h1>{said}</h1>"
        '<form method="post" action="/names.nsf?Login"><input type="hidden" name="%%ModDate" value="0000000000000000">'
        '<input name="Username"><input type="password" name="Password"></form></body></html>'
    )


def error_page(status: int, said: str) -> str:
    """Domino's own error page."""
    return f"<html><head><title>Error</title></head><body><h1>Error {status}</h1>HTTP Web Server: {said}</body></html>"


def _unid(position: int) -> str:
    return f"{position:032X}"
