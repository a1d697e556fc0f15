"""How a lookup ended, and what the channel gets from it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

LONGEST: Final = 250
"""Characters of a channel variable's value. Escaped and in UTF-8 it still fits into one AGI line of old Asterisks."""
NAME_LONGEST: Final = 80
"""Characters of a caller's name: what SIP devices show, and Asterisk 16 copies."""


class LookupStatus(Enum):
    """The values of LOOKUP_STATUS."""

    FOUND = "FOUND"
    NOTFOUND = "NOTFOUND"
    """Domino says that there is nothing, or the call has no key."""
    STALE = "STALE"
    """Found, in an answer older than fresh_s."""
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"
    """Domino does not answer, or not with data; or something of ours broke."""
    TAMPERED = "TAMPERED"
    """The call's environment was forged; nothing was asked."""


@dataclass(frozen=True, slots=True)
class LookupAnswer:
    """What to tell the dialplan.

    Attributes:
        variables: channel variable or function -> value, safe to send; those without a value are not in it.
        reason: for people, when it is not FOUND.
    """

    status: LookupStatus
    variables: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


def safe(text: str, limit: int = LONGEST) -> str:
    """`text` for a channel variable: one line, no control, format or private characters, at most `limit` characters.

    Format characters go because they reorder what a phone's display shows. Quotes and `$` stay: whoever uses the
    value inside an expression or another function quotes it there, see docs/reference/lookups.md.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return " ".join(text.split())
    whole = unicodedata.normalize("NFC", text[: limit * 4])
    kept = "".join(_SPACE if unicodedata.category(one) in _BLANK else one for one in whole if _shown(one))
    return re.sub(r" {2,}", " ", kept).strip()[:limit].rstrip()


_SPACE: Final = " "
_BLANK: Final = ("Cc", "Zs", "Zl", "Zp")


def _shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cf", "Cs", "Co", "Cn")
