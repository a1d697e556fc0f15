"""Kinds of values that stand in pair.toml, with what is allowed for each."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_SECTION = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,78}")
_SIP_URI = re.compile(r"sips?:[A-Za-z0-9\[\]:._~%+@-]+(;[A-Za-z0-9._~%+-]+(=[A-Za-z0-9._~%+:\[\]-]+)?)*")
_PARAMETERS = re.compile(
    r"[A-Za-z0-9._~%+-]+(=[A-Za-z0-9._~%+:\[\]-]+)?(;[A-Za-z0-9._~%+-]+(=[A-Za-z0-9._~%+:\[\]-]+)?)*"
)
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,126}")


class Section(BaseModel):
    """A table of pair.toml: frozen, and a key that is not known is an error.

    What its keys mean stands below them; whoever prints it reads it there (pair.reference), for pydantic would read
    every source again at the start of every command.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def checked_name(text: str) -> str:
    """The text, if it can be a name.

    Raises:
        ValueError: what a name may be.
    """
    if not _NAME.fullmatch(text):
        raise ValueError("a name: letters, digits, '-' and '_', 1 to 63 of them, a letter or digit first and last")
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address, such as 192.0.2.11") from None


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("a network without host bits, such as 10.1.0.0/16") from None


def _domain(text: str) -> str:
    bare = text.removesuffix(".")
    if len(bare) > 253 or not bare or not all(_LABEL.fullmatch(label) for label in bare.split(".")):
        raise ValueError("a domain name, such as pbx.example.com")
    return bare.lower()


def _host(text: str) -> str:
    try:
        return _address(text)
    except ValueError:
        pass
    try:
        _domain(text)
    except ValueError:
        raise ValueError("a host name or an address, without port or scheme") from None
    return text


def _section_name(text: str) -> str:
    if not _SECTION.fullmatch(text):
        raise ValueError(
            "the name of a section of Asterisk's, such as 0.0.0.0-udp or +15552000: letters, digits, '+', '.', '_' and "
            "'-', 1 to 79 of them, no '-' first"
        )
    return text


def _sip_uri(text: str) -> str:
    if not _SIP_URI.fullmatch(text):
        raise ValueError("a SIP URI with its parameters, such as sip:proxy.example;lr")
    return text


def _proxy(text: str) -> str:
    if "lr" not in {one.partition("=")[0].lower() for one in _sip_uri(text).split(";")[1:]}:
        raise ValueError(f"a SIP URI with ;lr, without which the proxy takes the registrar's place: {text};lr")
    return text


def _uri_parameters(text: str) -> str:
    if not _PARAMETERS.fullmatch(text):
        raise ValueError("parameters of a SIP URI without the first ';', such as user=phone;maddr=192.0.2.5")
    return text


def _secret_file(text: str) -> str:
    if not _FILE.fullmatch(text):
        raise ValueError("the name of a file in secrets/, without directories")
    return text


def _line(text: str) -> str:
    if not text or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("one line of text, not empty, without control characters")
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/") or "\0" in text or ".." in text.split("/"):
        raise ValueError("an absolute path without '..'")
    return text


Name = Annotated[str, AfterValidator(checked_name)]
"""Of a machine, trunk, carrier, lookup: it becomes part of file and section names."""
Address = Annotated[str, AfterValidator(_address)]
"""IPv4 or IPv6, in its canonical spelling."""
Network = Annotated[str, AfterValidator(_network)]
Domain = Annotated[str, AfterValidator(_domain)]
"""A domain name in lower case, without the final dot."""
Host = Annotated[str, AfterValidator(_host)]
"""A host name or an address."""
Port = Annotated[int, Field(ge=1, le=65535)]
SectionName = Annotated[str, AfterValidator(_section_name)]
"""Of a section in Asterisk's own files."""
ProxyUri = Annotated[str, AfterValidator(_proxy)]
"""SIP URI of an outbound proxy, a loose router."""
UriParameters = Annotated[str, AfterValidator(_uri_parameters)]
"""Parameters of a SIP URI."""
SecretFile = Annotated[str, AfterValidator(_secret_file)]
"""Name of a file under secrets/; the secret itself never stands in pair.toml."""
Line = Annotated[str, AfterValidator(_line)]
"""One line of text for people or for a configuration value."""
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
