"""`?ReadViewEntries`, as JSON and as XML: a view's rows at a key.

Shapes as captured from live servers, as the Domino DTD has them (HCL Designer help, viewentry and entrydata) and as
IBM's own re-implementation writes them; all are taken. Everything in the C server's JSON is a string, an empty range
has no `viewentry` at all, and empty columns are left out, so columns are found by name.

Not every entry is a document. A heading is marked on its `entrydata`, in older captures on its `viewentry`; a row of
totals has `categorytotal`; and whatever has no `unid` is no document, marked or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal
from xml.etree.ElementTree import Element

from agi.domino import decoding
from agi.domino.decoding import text_of, whole
from agi.domino.errors import DominoNotData
from agi.domino.rows import DominoRow, Rows
from agi.domino.wire import expect_success, expect_type, path, value
from host.http import HttpRequest, HttpResponse

COUNT: Final = 10
"""Rows to ask for. More than one: a heading or a conflict may come before the document."""
_SINGLE: Final = ("text", "number", "datetime", "boolean")
_LISTS: Final = {"textlist": "text", "numberlist": "number", "datetimelist": "datetime"}
_PAIR: Final = "datetimepair"
"""From one date and time to another; stands in a datetimelist, after its single ones."""
_NOBODY: Final = frozenset({"", "0" * 32})
"""A unid that is none."""


@dataclass(frozen=True, slots=True)
class DominoView:
    """A view that is asked for the entries of one key.

    Attributes:
        key_column: the programmatic name of the sorted column, which is compared with the key, because StartKey is a
            position and not a filter: without a match, Domino gives what follows. None: the view is categorized by
            the key, and RestrictToCategory filters.
        output: JSON exists since 8.0.
    """

    database: str
    view: str
    key_column: str | None
    output: Literal["json", "xml"] = "json"

    def ask(self, key: str) -> HttpRequest:
        """The GET for `key`."""
        place = "RestrictToCategory" if self.key_column is None else "StartKey"
        form = "&OutputFormat=JSON" if self.output == "json" else ""
        return HttpRequest(f"{path(self.database, self.view)}?ReadViewEntries{form}&Count={COUNT}&{place}={value(key)}")

    def read(self, reply: HttpResponse, key: str) -> Rows:
        """The documents whose key column is `key`."""
        rows = read(reply, self.output)
        documents = tuple(row for row in rows if row.document)
        if self.key_column is None:
            return _genuine_first(documents)
        column = self.key_column
        if documents and not any(column in row.columns for row in documents):
            names = ", ".join(sorted({name for row in documents for name in row.columns})[:20])
            raise DominoNotData(f"no entry of the view has the key_column {column!r}; it has: {names}")
        return _genuine_first(tuple(row for row in documents if row.holds(column, key)))


def _genuine_first(rows: Rows) -> Rows:
    return tuple(sorted(rows, key=lambda row: row.conflict))


def read(reply: HttpResponse, output: Literal["json", "xml"]) -> Rows:
    """All rows of a reply to `?ReadViewEntries`.

    Raises:
        DominoError: it is not such a reply.
    """
    expect_success(reply)
    if output == "json":
        expect_type(reply, "application/json", "text/json")
        return from_json(decoding.read_json(text_of(reply)))
    expect_type(reply, "text/xml", "application/xml")
    return from_xml(text_of(reply))


def from_json(found: Any) -> Rows:
    """The rows of a parsed `OutputFormat=JSON` answer.

    Raises:
        DominoNotData: the envelope or an entry has not the shape that Domino gives them.
    """
    if not isinstance(found, dict) or "@toplevelentries" not in found:
        raise DominoNotData("Domino sent JSON that is not a view's: '@toplevelentries' is missing")
    entries = found.get("viewentry") or []
    return tuple(_json_row(entry) for entry in ([entries] if isinstance(entries, dict) else _list(entries)))


def _json_row(entry: Any) -> DominoRow:
    if not isinstance(entry, dict):
        raise DominoNotData("Domino sent a view entry that is not an object")
    data = entry.get("entrydata") or []
    columns: dict[str, tuple[str, ...]] = {}
    heading = _is(entry.get("@category")) or _is(entry.get("@categorytotal"))
    for cell in [data] if isinstance(data, dict) else _list(data):
        if not isinstance(cell, dict) or not isinstance(cell.get("@name", ""), str):
            raise DominoNotData("Domino sent a view column that is not an object with a name")
        heading = heading or _is(cell.get("@category"))
        values = tuple(text for text in _json_values(cell) if text)
        if values:
            columns[whole(cell.get("@name", ""))] = values
    return DominoRow(
        columns, document=not heading and _somebody(entry.get("@unid")), conflict=_is(entry.get("@conflict"))
    )


def _json_values(cell: dict[str, Any]) -> Iterator[str]:
    for kind in _SINGLE:
        if kind in cell:
            yield _json_value(cell[kind])
    for kind, inner in _LISTS.items():
        if kind in cell:
            values = cell[kind].get(inner) if isinstance(cell[kind], dict) else cell[kind]
            for one in _one_or_list(values):
                yield _json_value(one)
    listed = cell.get("datetimelist")
    for held in (cell, listed if isinstance(listed, dict) else {}):
        for pair in _one_or_list(held.get(_PAIR)):
            yield _interval(
                map(_json_value, _one_or_list(pair.get("datetime", pair) if isinstance(pair, dict) else pair))
            )


def _json_value(one: Any) -> str:
    """`{"0": value}`, in which a datetime may have `dst` beside it, or the bare value."""
    if isinstance(one, dict):
        one = one.get("0", "")
    if isinstance(one, bool):
        return "true" if one else "false"
    if isinstance(one, str | int | float):
        return whole(str(one))
    raise DominoNotData("Domino sent a view column whose value is neither text nor number")


def _interval(ends: Iterable[str]) -> str:
    """`begin/end`, as ISO 8601 §4.4 writes it; "" where neither is there."""
    found = list(ends)
    return "/".join(found) if any(found) else ""


def _one_or_list(held: Any) -> list[Any]:
    return [held] if isinstance(held, dict | str) else _list(held or [])


def _list(entries: Any) -> list[Any]:
    if not isinstance(entries, list):
        raise DominoNotData("Domino sent a view whose entries are not a list")
    return entries


def _is(flag: Any) -> bool:
    return flag is True or flag == "true"


def _somebody(unid: Any) -> bool:
    return isinstance(unid, str) and unid.strip() not in _NOBODY


def from_xml(text: str) -> Rows:
    """The rows of an XML answer.

    Raises:
        DominoNotData: it is not well-formed, or its root is not `viewentries`.
    """
    root = decoding.read_xml(text)
    if decoding.local_name(root) != "viewentries":
        raise DominoNotData("Domino sent XML that is not a view's: its root is not 'viewentries'")
    return tuple(_xml_row(entry) for entry in root if decoding.local_name(entry) == "viewentry")


def _xml_row(entry: Element) -> DominoRow:
    columns: dict[str, tuple[str, ...]] = {}
    heading = _is(entry.get("category")) or _is(entry.get("categorytotal"))
    for cell in entry:
        if decoding.local_name(cell) != "entrydata":
            continue
        heading = heading or _is(cell.get("category"))
        values = tuple(text for kind in cell for text in _xml_values(kind) if text)
        if values:
            columns[cell.get("name", "")] = values
    return DominoRow(
        columns, document=not heading and _somebody(entry.get("unid")), conflict=_is(entry.get("conflict"))
    )


def _xml_values(kind: Element) -> Iterator[str]:
    """The values of a `text` or of a `textlist`, and of their kin."""
    name = decoding.local_name(kind)
    if name == _PAIR:
        yield _interval(map(decoding.all_text, kind))
    elif name in _LISTS:
        for inner in kind:
            yield from _xml_values(inner)
    else:
        yield decoding.all_text(kind)
