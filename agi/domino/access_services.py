"""Domino Access Services: a view's rows as a plain JSON array (`/db.nsf/api/data/collections/name/View`).

`keys` is one string and, with `keysexactmatch`, a filter. Server, database and view each have a switch that allows
it; one that is off answers 403 with an object that says so. With a session login the login page comes as 200 here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from agi.domino import decoding
from agi.domino.decoding import text_of, whole
from agi.domino.errors import DominoError, DominoFailing, DominoNotData, DominoRefused
from agi.domino.rows import DominoRow, Rows
from agi.domino.wire import expect_success, expect_type, path, value
from host.http import HttpRequest, HttpResponse
from host.printable import printable

COUNT: Final = 10
"""Rows to ask for; the default is 10 and the server's limit 100."""


@dataclass(frozen=True, slots=True)
class DominoCollection:
    """A view that is asked, through Domino Access Services, for the entries of one key.

    Attributes:
        key_column: when given, compared with the key once more. None: the server's filter is trusted.
    """

    database: str
    view: str
    key_column: str | None = None

    def ask(self, key: str) -> HttpRequest:
        """The GET for `key`."""
        where = path(self.database, "api/data/collections/name", self.view)
        return HttpRequest(f"{where}?keys={value(key)}&keysexactmatch=true&count={COUNT}")

    def read(self, reply: HttpResponse, key: str) -> Rows:
        """The documents under `key`."""
        if reply.status != 200 and reply.content_type == "application/json":
            raise _said(reply)
        expect_success(reply)
        expect_type(reply, "application/json")
        found = decoding.read_json(text_of(reply))
        if not isinstance(found, list):
            raise (
                _said(reply)
                if isinstance(found, dict) and "code" in found
                else DominoNotData("Domino sent no JSON array")
            )
        rows = tuple(_row(entry) for entry in found)
        return tuple(
            row for row in rows if row.document and (self.key_column is None or row.holds(self.key_column, key))
        )


def _row(entry: Any) -> DominoRow:
    if not isinstance(entry, dict):
        raise DominoNotData("Domino sent an entry that is not an object")
    columns: dict[str, tuple[str, ...]] = {}
    for name, held in entry.items():
        if not name.startswith("@"):
            values = tuple(text for text in map(scalar, held if isinstance(held, list) else [held]) if text)
            if values:
                columns[whole(name)] = values
    # Typed, and there only where it is so (IBM's JsonViewEntryCollectionContent.writeSystemColumns).
    return DominoRow(columns, document=entry.get("@category") not in (True, "true"))


def scalar(held: Any) -> str:
    """One JSON value as text; null is no value.

    Raises:
        DominoNotData: an object or a list inside a list.
    """
    if held is None:
        return ""
    if isinstance(held, bool):
        return "true" if held else "false"
    if isinstance(held, str | int | float):
        return whole(str(held))
    raise DominoNotData("Domino sent a value that is neither text nor number")


def _said(reply: HttpResponse) -> DominoError:
    """The error that the service describes; a Java stack trace beside it is left out."""
    found = decoding.read_json(text_of(reply))
    described = found if isinstance(found, dict) else {}
    message = printable(str(described.get("message") or described.get("text") or "no reason given"))
    code = reply.status if reply.status != 200 else described.get("code", 200)
    kind = (
        DominoRefused
        if code in (401, 403)
        else DominoFailing
        if isinstance(code, int) and code >= 500
        else DominoNotData
    )
    return kind(f"Domino Access Services answer {code}: {message}")
