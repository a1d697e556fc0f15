"""Asking a Domino server, over HTTP, for one thing that is known by its key.

Domino has several doors (views, agents, Domino Access Services, web services), and none of them says honestly
when it failed: a login page, an error page and half an answer all come as 200. So data is what passed every
positive test, and everything else is an error, never "not found".

    LookupSource    one question that can be asked with any key; agi.domino.source makes one of a [lookup.X]
    DominoRow, Rows what it answers; no rows: Domino says there is nothing under that key
    DominoError     the tree of what goes wrong

Forms of requests and readers of answers do no I/O. `agi.domino.http` is the edge, and the only one that imports
requests: importing this package costs no such time.
"""

from __future__ import annotations

from agi.domino.errors import DominoError, DominoFailing, DominoLate, DominoNotData, DominoRefused, DominoUnreachable
from agi.domino.rows import DominoRow, LookupSource, Rows

__all__ = [
    "DominoError",
    "DominoFailing",
    "DominoLate",
    "DominoNotData",
    "DominoRefused",
    "DominoRow",
    "DominoUnreachable",
    "LookupSource",
    "Rows",
]
