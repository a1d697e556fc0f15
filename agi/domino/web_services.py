"""`?OpenWebService`: one SOAP 1.1 operation of a web service in a database (W3C Note SOAP 1.1, document/literal)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from agi.domino import decoding
from agi.domino.agents import fields_of
from agi.domino.decoding import text_of
from agi.domino.errors import DominoFailing, DominoNotData
from agi.domino.rows import Rows
from agi.domino.wire import expect_success, expect_type, path
from host.http import HttpRequest, HttpResponse
from host.printable import printable

_SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_ENVELOPE: Final = f"{{{_SOAP}}}Envelope"
_BODY: Final = f"{{{_SOAP}}}Body"
_FAULT: Final = f"{{{_SOAP}}}Fault"


@dataclass(frozen=True, slots=True)
class WebServiceOperation:
    """An operation that is given the key as its one argument.

    Attributes:
        namespace: the WSDL's targetNamespace, such as "urn:DefaultNamespace".
        operation, argument: as in the WSDL, where names from LotusScript stand in upper case.
    """

    database: str
    service: str
    namespace: str
    operation: str
    argument: str

    def ask(self, key: str) -> HttpRequest:
        """The POST for `key`."""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{_SOAP}"><soapenv:Body>'
            f"<ns:{self.operation} xmlns:ns={quoteattr(self.namespace)}>"
            f"<{self.argument}>{escape(key)}</{self.argument}>"
            f"</ns:{self.operation}></soapenv:Body></soapenv:Envelope>"
        )
        return HttpRequest(
            f"{path(self.database, self.service)}?OpenWebService",
            body.encode(),
            (("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", '""')),
        )

    def read(self, reply: HttpResponse, key: str) -> Rows:  # noqa: ARG002 (a Form is given the key; the service chose by it)
        """The fields of the operation's answer; nothing but empty ones is nothing found."""
        if reply.status == 500 and reply.content_type == "text/xml":
            _body(reply)
            raise DominoFailing("Domino failed (500) and sent a SOAP answer without a fault")
        expect_success(reply)
        expect_type(reply, "text/xml", "application/soap+xml", "application/xml")
        answers = list(_body(reply))
        if len(answers) != 1:
            raise DominoNotData(f"the web service sent {len(answers)} answers in one envelope")
        return fields_of(answers[0])


def _body(reply: HttpResponse) -> Element:
    """The Body of the envelope.

    Raises:
        DominoNotData: there is none, or it holds a fault.
    """
    root = decoding.read_xml(text_of(reply))
    body = root.find(_BODY)
    if root.tag != _ENVELOPE or body is None:
        raise DominoNotData("Domino sent XML that is no SOAP envelope")
    fault = body.find(_FAULT)
    if fault is not None:
        said = next((decoding.all_text(part) for part in fault if decoding.local_name(part) == "faultstring"), "")
        raise DominoNotData(f"the web service reports a fault: {printable(said.strip()) or 'without a reason'}")
    return body
