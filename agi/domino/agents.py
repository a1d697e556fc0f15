"""`?OpenAgent`: whatever an agent prints.

Unless its first line is a Content-Type, Domino wraps the output into an HTML page and sends text/html, so an agent
that prints JSON may answer with a page. An agent that failed prints an error into a page, with 200.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from xml.etree.ElementTree import Element

from agi.domino import decoding
from agi.domino.access_services import scalar
from agi.domino.decoding import text_of, whole
from agi.domino.errors import DominoNotData
from agi.domino.rows import DominoRow, Rows
from agi.domino.wire import expect_success, expect_type, first_words, path, value
from host.http import HttpRequest, HttpResponse

NOTHING: Final = "NOTFOUND"
"""The line that an agent which prints text says when it has nothing: silence could be a crash."""
_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TYPES: Final = {
    "json": ("application/json", "text/json", "text/plain"),
    "xml": ("text/xml", "application/xml", "text/plain"),
    "text": ("text/plain",),
}


@dataclass(frozen=True, slots=True)
class DominoAgent:
    """An agent that is given the key as an argument of its URL.

    Attributes:
        argument: the argument's name; the agent finds `OpenAgent&argument=key` in Query_String_Decoded.
        output: json: one object, or a list of them, `{}` or `[]` for nothing. xml: a root whose elements are the
            fields, none for nothing. text: lines `Name=value`, or NOTFOUND alone.
    """

    database: str
    agent: str
    argument: str
    output: Literal["json", "xml", "text"]

    def ask(self, key: str) -> HttpRequest:
        """The GET for `key`."""
        return HttpRequest(f"{path(self.database, self.agent)}?OpenAgent&{value(self.argument)}={value(key)}")

    def read(self, reply: HttpResponse, key: str) -> Rows:  # noqa: ARG002 (a Form is given the key; the agent chose by it)
        """What the agent printed."""
        expect_success(reply)
        printed, ended = _printed(reply, _TYPES[self.output])
        if self.output == "json":
            return _from_json(decoding.read_json(printed))
        if self.output == "xml":
            return _from_xml(printed)
        if not ended:
            raise DominoNotData("the agent's text has neither a length nor an end, so half of it could be missing")
        return _from_text(printed, reply)


def _printed(reply: HttpResponse, types: tuple[str, ...]) -> tuple[str, bool]:
    """What came out of the agent, without the page around it; and whether its end was seen."""
    if reply.content_type == "text/html" and (inside := _unwrapped(text_of(reply))) is not None:
        return _BREAK.sub("\n", inside), True
    expect_type(reply, *types)
    return text_of(reply), reply.framed


def _unwrapped(page: str) -> str | None:
    """What stands in the body of Domino's page around printed lines; None if it is not such a page, or half of it."""
    whole_page = page.strip().encode("utf-8", "replace")
    plain = whole_page.lower()  # of bytes: ASCII alone, so that nothing changes its length
    begin = plain.find(b">", plain.find(b"<body")) + 1
    end = plain.rfind(b"</body>")
    if not plain.startswith(b"<html>") or not plain.endswith(b"</html>") or b"<body" not in plain or begin > end:
        return None
    return whole_page[begin:end].decode()


def _from_json(found: Any) -> Rows:
    entries = [found] if isinstance(found, dict) else found
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DominoNotData("the agent printed JSON that is neither an object nor a list of objects")
    rows = []
    for entry in entries:
        fields = {
            whole(name): tuple(text for text in map(scalar, held if isinstance(held, list) else [held]) if text)
            for name, held in entry.items()
        }
        rows.append(DominoRow({name: values for name, values in fields.items() if values}))
    return tuple(row for row in rows if row.columns)


def _from_xml(text: str) -> Rows:
    root = decoding.read_xml(text.strip())
    if decoding.local_name(root).lower() == "html":
        raise DominoNotData("the agent printed a page instead of data")
    return fields_of(root)


def fields_of(root: Element) -> Rows:
    """One row of all elements that hold text alone; the same name again is another value. None: no row."""
    columns: dict[str, list[str]] = {}
    for leaf in decoding.leaves(root):
        if text := decoding.all_text(leaf).strip():
            columns.setdefault(decoding.local_name(leaf), []).append(text)
    return _row(columns)


def _from_text(printed: str, reply: HttpResponse) -> Rows:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if lines == [NOTHING]:
        return ()
    columns: dict[str, list[str]] = {}
    for line in lines:
        name, equals, text = line.partition("=")
        if not equals or not re.fullmatch(r"[\w$.-]{1,64}", name.strip()):
            raise DominoNotData(f"the agent printed lines that are not Name=value: {first_words(reply)}")
        if text.strip():
            columns.setdefault(name.strip(), []).append(text.strip())
    if not lines:
        raise DominoNotData(f"the agent printed nothing; for nothing found it says {NOTHING}")
    return _row(columns)


def _row(columns: Mapping[str, Sequence[str]]) -> Rows:
    return (DominoRow({name: tuple(values) for name, values in columns.items()}),) if columns else ()
