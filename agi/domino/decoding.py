"""What Domino sends, as text, JSON and XML, each mended where Domino is known to write what no parser takes.

Live servers declare a charset that is not the body's, so the declaration comes second: bytes that are valid UTF-8 and
not plain ASCII are hardly ever anything else. JSON has escapes that JSON does not know. XML may be hostile and is often
ill-formed: no DTD, no entities, and references to halves of a surrogate pair are joined.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from agi.domino.errors import DominoNotData
from host.http import HttpResponse

# Text.


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


# JSON.


_JSON_ESCAPE = re.compile(r'\\(?:(u[0-9A-Fa-f]{4}|["\\/bfnrt])|(.))', re.DOTALL)


def read_json(text: str) -> Any:
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
            return json.loads(mend_json(text), strict=False)
        except (ValueError, RecursionError):
            pass
    raise DominoNotData(f"Domino sent broken JSON, or half of it ({len(text)} characters)")


def mend_json(text: str) -> str:
    """`text` with the backslash of every invalid escape dropped; valid JSON comes back as it is."""
    return _JSON_ESCAPE.sub(lambda match: match.group(0) if match.group(1) else match.group(2), text)


# XML.


_DEEPEST: Final = 100
"""Elements inside elements: a view needs six, SOAP a dozen."""
_REFERENCE: Final = re.compile(r"(?:&#(?:x[0-9A-Fa-f]{1,8}|[0-9]{1,10});)+")
_ONE: Final = re.compile(r"&#(?:x([0-9A-Fa-f]+)|([0-9]+));")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class _Forbidden(Exception):
    """Raised inside expat to stop it."""


def read_xml(text: str) -> Element:
    """The root of the document.

    Names are `{namespace}local`, as ElementTree writes them.

    Raises:
        DominoNotData: ill-formed, half a document, a DTD or entity in it, or nested absurdly.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate("utf-8", "}")
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise _Forbidden("it is nested absurdly deep")
        builder.start(_name(tag), {_name(key): text for key, text in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_name(tag))

    def refuse(*_: object) -> None:
        raise _Forbidden("it brings a DTD, and with that it could expand without end")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(mend_xml(text).encode("utf-8", "replace"), True)
        return builder.close()
    except expat.ExpatError as broken:
        raise DominoNotData(f"Domino sent broken XML, or half of it ({expat.ErrorString(broken.code)})") from None
    except _Forbidden as why:
        raise DominoNotData(f"Domino's XML is refused: {why}") from None
    except (ValueError, AssertionError) as broken:
        raise DominoNotData(f"Domino sent broken XML ({broken})") from None


def mend_xml(text: str) -> str:
    """`text` with references and characters that XML forbids replaced.

    Domino writes a character beyond U+FFFF as two references, one for each half of its surrogate pair. Both halves
    together become the character; a half alone, or a control character, becomes U+FFFD.
    """
    return _CONTROL.sub("\ufffd", _REFERENCE.sub(_joined, text))


def local_name(element: Element) -> str:
    """The name without its namespace."""
    return element.tag.rpartition("}")[2]


def all_text(element: Element) -> str:
    """All text inside, in order."""
    return "".join(element.itertext())


def leaves(element: Element) -> Iterator[Element]:
    """The elements inside that have none inside themselves."""
    for inner in element.iter():
        if inner is not element and not len(inner):
            yield inner


def _name(expanded: str) -> str:
    return "{" + expanded if "}" in expanded else expanded


def _joined(match: re.Match[str]) -> str:
    """A run of references; only those that name a surrogate or nothing are rewritten."""
    found = _ONE.findall(match.group(0))
    codes = [int(hexadecimal, 16) if hexadecimal else int(decimal) for hexadecimal, decimal in found]
    if not any(_bad(code) for code in codes):
        return match.group(0)
    text = whole("".join("\ufffd" if code > 0x10FFFF or _control(code) else chr(code) for code in codes))
    return "".join(f"&#{ord(character)};" for character in text)


def _bad(code: int) -> bool:
    return 0xD800 <= code <= 0xDFFF or code > 0x10FFFF or _control(code)


def _control(code: int) -> bool:
    return (code < 32 and code not in (9, 10, 13)) or code in (0xFFFE, 0xFFFF)
