"""Domino's bytes as text, whatever its Content-Type claims.

Live servers declare a charset that is not the body's, so the declaration comes second: bytes that are valid
UTF-8 and not plain ASCII are hardly ever anything else.
"""

from __future__ import annotations

import codecs
import re

from host.http import HttpResponse

_PLAUSIBLE = re.compile(r"iso8859|latin|cp\d|utf|koi8|mac|gb|big5|shift|euc|ascii|tis|hz")


def decoded(body: bytes, declared: str | None) -> str:
    """`body` as text: UTF-8 if it is that, else as declared, else Windows' Western code page. Never fails.

    Lone surrogates, which no file, log or wire takes, come out as U+FFFD.
    """
    for charset in ("utf-8-sig", _known(declared)):
        if charset is None:
            continue
        try:
            return whole(body.decode(charset))
        except UnicodeError:
            continue
    return body.decode("cp1252", "replace")


def text_of(response: HttpResponse) -> str:
    """The body as text; its declared charset is not trusted."""
    return decoded(response.body, response.charset)


def whole(text: str) -> str:
    """`text` with surrogate pairs joined, and halves without a partner replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _HALF.search(text) else text


_HALF = re.compile("[\ud800-\udfff]")


def _known(declared: str | None) -> str | None:
    """Python's name of the charset, if it is one of text: `codecs` knows others that a server must not choose."""
    try:
        name = codecs.lookup(declared or "").name
    except (LookupError, ValueError):
        return None
    return name if _PLAUSIBLE.match(name) else None
