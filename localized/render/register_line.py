"""`register =>` lines of chan_sip and chan_iax2: written so that they read back as the very strings, or refused.

Neither driver has an escape character, but chan_sip's splitter leaves quoted, bracketed and parenthesized text
alone and strips one pair of quotes at the end (channels/sip/config_parser.c, sip_parse_register_line; main/app.c,
__ast_app_separate_args; 16 to 20). So a line is tried in a few spellings, each read by our own copy of those
rules, and the first that reads back exactly is taken. chan_iax2 splits at the first '@' and ':' and strips
nothing (channels/chan_iax2.c, iax2_register; 16 to 22), so there a line either fits or does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BUFFER: Final = 255
"""Bytes of a register line that both drivers read; the rest is cut."""
IAX_FIELD: Final = 79
"""Bytes of an IAX2 user name or secret (struct iax2_registry)."""


@dataclass(frozen=True, slots=True)
class SipAccount:
    """What chan_sip shall hold for one registration."""

    username: str
    secret: str
    auth_username: str
    host: str
    port: int | None
    contact: str
    expiry_s: int
    domain: str = ""
    transport: str = "udp"


@dataclass(frozen=True, slots=True)
class IaxAccount:
    """What chan_iax2 shall hold for one registration."""

    username: str
    secret: str
    host: str
    port: int | None


def write_sip(account: SipAccount) -> str | None:
    """The value of a `register =>` line that chan_sip reads as `account`; None where there is none."""
    fits = (line for line in _sip_spellings(account) if len(line.encode()) <= BUFFER and read_sip(line) == account)
    return next(fits, None)


def write_iax(account: IaxAccount) -> str | None:
    """The value of a `register =>` line that chan_iax2 reads as `account`; None where there is none."""
    port = "" if account.port is None else f":{account.port}"
    line = f"{account.username}:{account.secret}@{account.host}{port}"
    return line if read_iax(line) == account else None


def _sip_spellings(account: SipAccount) -> Iterator[str]:
    port = "" if account.port is None else f":{account.port}"
    contact = f"/{account.contact}" if account.contact else ""
    after = f"@{account.host}{port}{contact}~{account.expiry_s}"
    bare = [account.username, account.secret, *([account.auth_username] if account.auth_username else [])]
    quoted = [f'"{part}"' for part in bare]
    domain = f"@{account.domain}" if account.domain else ""
    for user in (bare[0], quoted[0]):
        for rest in (bare[1:], quoted[1:], [*quoted[1:2], *bare[2:]], [*bare[1:2], *quoted[2:]]):
            line = ":".join([user + domain, *rest]) + after
            if account.transport == "udp":
                yield line
            else:
                yield f"{account.transport}://{line}"
            # With its first fields written out, a '?' or '/' further on is no separator any more.
            yield f"?{account.transport}://{line}"


@dataclass(frozen=True, slots=True)
class SipLine:
    """Everything that chan_sip makes of a `register =>` line.

    Attributes:
        expiry: as it is written; empty where the default holds.
    """

    peer: str
    transport: str
    username: str
    domain: str
    domain_port: str
    secret: str
    auth_username: str
    host: str
    port: str
    contact: str
    expiry: str


class _Overrun(Exception):
    """A backslash ends the text, and Asterisk's scan runs past it into whatever follows in memory."""


def read_sip(line: str) -> SipAccount | None:
    """What chan_sip holds after reading this value; None where it refuses the line, or the line asks for more.

    More is: a peer, or a domain's port; or a reading that depends on chance.
    """
    read = read_sip_line(line)
    if read is None or read.peer or read.domain_port:
        return None
    if (read.port and not _is_number(read.port)) or not _is_number(read.expiry):
        return None
    return SipAccount(
        username=read.username,
        secret=read.secret,
        auth_username=read.auth_username,
        host=read.host,
        port=int(read.port) if read.port else None,
        contact=read.contact,
        expiry_s=int(read.expiry),
        domain=read.domain,
        transport=read.transport,
    )


def read_sip_line(line: str) -> SipLine | None:
    """What chan_sip holds after reading this value; None where it refuses the line, or where chance decides."""
    try:
        return _read_sip(_cut(line))
    except _Overrun:
        return None


def _read_sip(text: str) -> SipLine | None:
    userpart, at, hostpart = text.rpartition("@")
    if not at or not userpart or not hostpart:
        return None
    peer, *after = _separated(userpart, "?", 2)
    if after and after[0]:
        userpart = after[0]
    else:
        peer, userpart = "", peer
    transport, *after = _separated(userpart, "/", 3) or [""]
    if after and after[0]:
        return None
    if len(after) == 2 and after[1]:
        # The last character of what stands before '//' is cut, whatever it is; what is left decides by its beginning.
        transport, userpart = transport[:-1].lower()[:3], after[1]
    else:
        transport, userpart = "udp", transport
    user = [*_separated(userpart, ":", 3), "", "", ""]
    named, secret, auth = user[0], user[1], user[2]
    domain_port = ""
    auth_fields = _separated(auth, ":", 2)
    if len(auth_fields) == 2:
        domain_port, secret, auth = secret, auth_fields[0], auth_fields[1]
    host_and_expiry = [*_separated(hostpart, "~", 2), "", ""]
    host_and_contact = [*_separated(host_and_expiry[0], "/", 2), "", ""]
    host_and_port = [*_separated(host_and_contact[0], ":", 2), "", ""]
    name_and_domain = [*_separated(named, "@", 2), "", ""]
    return SipLine(
        peer=_unquoted(peer),
        transport=transport if transport in {"tcp", "tls"} else "udp",
        username=_unquoted(name_and_domain[0]),
        domain=_unquoted(name_and_domain[1]),
        domain_port=domain_port,
        secret=_unquoted(secret),
        auth_username=_unquoted(auth),
        host=_unquoted(host_and_port[0]),
        port=host_and_port[1],
        contact=_unquoted(host_and_contact[1] or "s"),
        expiry=_unquoted(host_and_expiry[1]),
    )


def read_iax(line: str) -> IaxAccount | None:
    """What chan_iax2 holds after reading this value; None where it refuses the line or takes the secret for a key."""
    before, at, rest = _cut(line).partition("@")
    if not at:
        return None
    username, _, rest_of_user = before.partition(":")
    secret = rest_of_user.partition(":")[0]
    host, colon, rest_of_host = rest.partition("@")[0].partition(":")
    port = rest_of_host.partition(":")[0]
    if (colon and not _is_number(port)) or secret.startswith("["):
        return None
    if any(len(part.encode()) > IAX_FIELD for part in (username, secret)):
        return None
    return IaxAccount(username, secret, host, int(port) if colon else None)


def _cut(line: str) -> str:
    return line.encode("utf-8", "surrogateescape")[:BUFFER].decode("utf-8", "surrogateescape")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _unquoted(text: str) -> str:
    text = text.strip("".join(chr(code) for code in range(33)))
    # A lone quote is its own partner: Asterisk strips it and leaves nothing.
    return text[1:-1] if text[:1] == '"' and text[-1:] == '"' else text


def _separated(text: str, delimiter: str, limit: int) -> list[str]:
    """At most `limit` fields; the last holds all that is left, delimiters and all."""
    fields: list[str] = []
    quoted, parentheses, brackets = False, 0, 0
    at, ended_by_delimiter = 0, False
    while at < len(text) and len(fields) < limit - 1:
        begin, ended_by_delimiter = at, False
        while at < len(text):
            character = text[at]
            if character == "(":
                parentheses += 1
            elif character == ")":
                parentheses = max(0, parentheses - 1)
            elif character == "[":
                brackets += 1
            elif character == "]":
                brackets = max(0, brackets - 1)
            elif character == '"':
                quoted = not quoted
            elif character == "\\":
                at += 1
                if at == len(text):
                    raise _Overrun
            elif character == delimiter and not (parentheses or quoted or brackets):
                ended_by_delimiter = True
                break
            at += 1
        fields.append(text[begin:at])
        at += ended_by_delimiter
    if at < len(text) or ended_by_delimiter:
        fields.append(text[at:])
    return fields
