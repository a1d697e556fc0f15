"""Domino's JSON, which is not always JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from agi.domino.errors import DominoNotData

_ESCAPE = re.compile(r'\\(?:(u[0-9A-Fa-f]{4}|["\\/bfnrt])|(.))', re.DOTALL)


def loads(text: str) -> Any:
    r"""The value that `text` stands for.

    Domino writes `\>`, `\!`, `\<` and `\'` inside strings, which no parser takes; such a backslash is dropped.
    Raw control characters inside strings are let through.

    Raises:
        DominoNotData: it is no JSON even so, or half of it.
    """
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        pass
    except ValueError:
        try:
            return json.loads(mended(text), strict=False)
        except (ValueError, RecursionError):
            pass
    raise DominoNotData(f"Domino sent broken JSON, or half of it ({len(text)} characters)")


def mended(text: str) -> str:
    """`text` with the backslash of every invalid escape dropped; valid JSON comes back as it is."""
    return _ESCAPE.sub(lambda match: match.group(0) if match.group(1) else match.group(2), text)
