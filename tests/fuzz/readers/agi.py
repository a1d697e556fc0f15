"""Readers of AGI and Domino."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal
from xml.etree.ElementTree import Element

from agi import fake_asterisk
from agi.domino import access_services, agents, decoding, login, views, web_services
from agi.domino.errors import DominoError
from agi.lookups import answer, cache_file
from agi.protocol import environment, quoting, replies
from agi.server import descriptors as link
from agi.server import hand_over
from agi.server.hand_over import HandoverRefused, receive_call
from host.http import HttpResponse
from tests.fuzz.readers.reader import Reader, text, whole


def _reply(kind: str, status: int = 200) -> Callable[[bytes], HttpResponse]:
    return lambda data: HttpResponse(status, (("Content-Type", f"{kind}; charset=utf-8"),), data)


def _replies(data: bytes, _: Path) -> object:
    found = []
    for mark in (b"", b"mark"):
        reader = replies.ReplyReader()
        for at in range(0, len(data), 1000):
            reader.feed(data[at : at + 1000])
            while (reply := reader.next(mark)) is not None:
                found.append(reply)
    reader = replies.ReplyReader()
    reader.feed(data)
    return found, reader.begun(), reader.up_to(b"mark")


CLOSER: Final = link.DescriptorCloser()


def _handed(data: bytes, _: Path) -> object:
    """A packet with two ends of a pipe, as Asterisk gives them to a process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends = os.pipe()
    with ours, theirs:
        theirs.setblocking(False)
        socket.send_fds(theirs, [data[:60_000] or b"\0"], list(ends))
        for end in ends:
            os.close(end)
        ours.setblocking(False)
        handed = receive_call(ours, CLOSER)
    if handed is not None:
        CLOSER.close((handed.read_fd, handed.write_fd))
    return handed


def _kept(data: bytes, _: Path) -> object:
    return cache_file.entry_from(1.0, data.decode("utf-8", "replace"))


def _said_by_domino(read: Callable[[HttpResponse, str], object], kind: str) -> Callable[[bytes, Path], object]:
    return lambda data, _: read(_reply(kind)(data), "5551234567")


def _decoded(data: bytes) -> object:
    """The first line is the charset that is claimed."""
    declared, _, body = data.partition(b"\n")
    return decoding.decoded(body, declared.decode("latin-1"))


def _cookies(data: bytes, _: Path) -> object:
    return login._COOKIE.match(data.decode("latin-1"))


def _element(tree: Element) -> object:
    return agents.fields_of(tree)


GENUINE: Final = "".join(
    f"{name}: {'1.0' if name == 'agi_enhanced' else '1' if value is environment._NUMBER else 'SIP/acme-00000001'}\n"
    for name, value in environment._ORDER
).encode()


VIEW: Final = (
    b'{"@toplevelentries":"1","viewentry":[{"@unid":"0123456789ABCDEF0123456789ABCDEF","@position":"1","entrydata":'
    b'[{"@name":"Phone","text":{"0":"5551234567"}},{"@name":"Names","textlist":{"text":[{"0":"a"},{"0":"b"}]}},'
    b'{"@name":"When","datetimelist":{"datetimepair":[{"datetime":[{"0":"2026"},{"0":"2027"}]}]}}]}]}'
)


VIEW_XML: Final = (
    b'<?xml version="1.0"?><viewentries toplevelentries="1"><viewentry unid="0123456789ABCDEF0123456789ABCDEF">'
    b'<entrydata name="Phone"><text>5551234567</text></entrydata><entrydata name="N"><textlist><text>&#55357;&#56832;'
    b"</text></textlist></entrydata></viewentry></viewentries>"
)


SOAP: Final = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><r xmlns="urn:x"><Name>Ann</Name></r>'
    b"</e:Body></e:Envelope>"
)


AGENTS: Final[tuple[tuple[Literal["json", "xml", "text"], bytes], ...]] = (
    ("json", b'{"a": "b", "c": ["d"]}'),
    ("xml", b"<r><a>b</a><a>c</a></r>"),
    ("text", b"a=b\nc=d\n"),
)


READERS: Final[tuple[Reader, ...]] = (
    Reader("an AGI environment", environment, whole(environment.read_environment), (GENUINE + b"agi_arg_1: x\n",)),
    Reader(
        "AGI replies",
        replies,
        _replies,
        (
            b"200 result=1 (value) endpos=99\n510 Invalid\n520-Usage\n520 End of proper usage.\n",
            b"200 result=1 (xmark)\n",
        ),
        (replies.ReplyTooLong,),
    ),
    Reader("a launcher's packet", hand_over, _handed, (hand_over.WORD + b"\0x.py\0a\0",), (HandoverRefused, OSError)),
    Reader("a value for a channel", answer, text(answer.safe), (b"J\xc3\xb6rg $" + b"{X}",)),
    Reader("an AGI argument", quoting, text(quoting.quoted), (b'a "b" \\c',)),
    Reader("an AGI command, by the stand-in", fake_asterisk, text(fake_asterisk.words), (b'SET VARIABLE "a b" c\\"',)),
    Reader("an answer that was kept", cache_file, _kept, (b'{"name": "Ann"}',)),
    Reader(
        "Domino's view, JSON",
        views,
        _said_by_domino(views.DominoView("d", "v", "Phone").read, "application/json"),
        (VIEW,),
        (DominoError,),
    ),
    Reader(
        "Domino's view, XML",
        views,
        _said_by_domino(views.DominoView("d", "v", "Phone", "xml").read, "text/xml"),
        (VIEW_XML,),
        (DominoError,),
    ),
    *(
        Reader(
            f"an agent's {output} as {kind}",
            agents,
            _said_by_domino(agents.DominoAgent("d", "a", "k", output).read, kind),
            (seed, b"<html><head></head><body>" + seed + b"<br></body></html>"),
            (DominoError,),
        )
        for output, seed in AGENTS
        for kind in ("text/html", "text/plain")
    ),
    Reader(
        "Domino Access Services",
        access_services,
        _said_by_domino(access_services.DominoCollection("d", "v", "Phone").read, "application/json"),
        (b'[{"@unid": "1", "Phone": "5551234567", "N": ["a", 1]}]', b'{"code": 403, "message": "off"}'),
        (DominoError,),
    ),
    Reader(
        "a web service",
        web_services,
        _said_by_domino(web_services.WebServiceOperation("d", "s", "urn:x", "GET", "KEY").read, "text/xml"),
        (SOAP,),
        (DominoError,),
    ),
    Reader("XML", decoding, text(lambda said: _element(decoding.read_xml(said))), (VIEW_XML, SOAP), (DominoError,)),
    Reader("JSON that is not quite", decoding, text(decoding.read_json), (b'{"a": "\\>\\u00e4"}',), (DominoError,)),
    Reader(
        "bytes of any charset",
        decoding,
        whole(_decoded),
        ("utf-8\nJörg".encode(), b"utf-16\n\xff\xfeJ\0", b"hz\n~{VPND~}"),
    ),
    Reader("Domino's cookie", login, _cookies, (b'DomAuthSessId="ABC"; path=/',)),
)
