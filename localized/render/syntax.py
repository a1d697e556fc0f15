"""Values from pair.toml and secrets, written for the file that they go into: read back as the very string, or refused.

Each function is a Jinja filter of the same name. What comes from outside is an `Untrusted`, and a template that
prints one without a filter is an error (localized.render.render), so nothing reaches a file unescaped by oversight.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from localized.asterisk.configuration import LINE_LIMIT, read_text
from localized.errors import NotRenderable
from localized.render.register_line import BUFFER, IAX_FIELD, IaxAccount, SipAccount, read_iax, write_iax, write_sip
from localized.render.untrusted import Untrusted


class Unwritable(NotRenderable):
    """A value that the target cannot hold; the message names it, the character and the way out."""


_SIP_USER: Final = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/]+")
"""What may stand in the user part of a SIP URI without an escape (RFC 3261 section 25.1)."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:@/~?+*%-]{0,255}")
"""What means nothing to Asterisk's parser, wherever it stands in a value: most of what there is to write."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SIP_USER_SAFE: Final = "-_.!~*'()&=+$,;?/"


def asterisk_value(value: str) -> str:
    """For the right side of `name = value` in any file of Asterisk."""
    if _PLAIN.fullmatch(value):
        return str(value)
    _no_control_characters(value)
    if value != value.strip(" "):
        _refuse(value, "begins or ends with a blank, which Asterisk strips", "Choose another at the carrier.")
    written = value.replace(";", "\\;")
    line = f"v = {written}"
    if len(_encoded(value, line)) > LINE_LIMIT:
        _refuse(value, f"makes a line longer than {LINE_LIMIT} bytes, which Asterisk skips", "Shorten it.")
    read = read_text(line.encode(), section="s").sections[0].last("v")
    if read != value:
        _refuse(value, "does not read back from an Asterisk configuration file", "Choose another.")
    return written


def sip_user(value: str) -> str:
    """For the user part of a SIP URI, percent-encoded (RFC 3261 section 19.1.2)."""
    _no_control_characters(value)
    _encoded(value, value)
    return asterisk_value(quote(value, safe=_SIP_USER_SAFE))


def sip_host(value: str) -> str:
    """For the host part of a SIP URI: IPv6 addresses in brackets (RFC 3261 section 25.1)."""
    return f"[{value}]" if ":" in value else str(value)


def sip_register(account: SipAccount, label: str) -> str:
    """For the right side of `register =>` in sip.conf.

    Args:
        account: what chan_sip shall hold; its strings are not escaped yet.
        label: "trunk acme".

    Raises:
        Unwritable: chan_sip has no spelling for it.
    """
    fields = {
        "username": account.username,
        "auth_username": account.auth_username,
        "contact": account.contact,
        "secret": account.secret,
    }
    for key, text in fields.items():
        value = Untrusted(text, f"the {key} of {label}", hidden=key == "secret")
        _no_control_characters(value)
        _encoded(value, value)
        if key in {"username", "contact"} and text and not _SIP_USER.fullmatch(text):
            odd = next(character for character in text if not _SIP_USER.fullmatch(character))
            _refuse(value, f"contains {odd!r}, which chan_sip would write unescaped into a SIP header", _PJSIP)
    if not account.username:
        _refuse(Untrusted("", f"the username of {label}"), "is empty", "Write it into pair.toml.")
    line = write_sip(account)
    if line is None:
        raise Unwritable(_why_not_sip(account, label))
    return asterisk_value(Untrusted(line, f"the register line of {label}", hidden=True))


def iax_register(account: IaxAccount, label: str) -> str:
    """For the right side of `register =>` in iax.conf.

    Raises:
        Unwritable: chan_iax2 cannot hold it; it has no escape character.
    """
    if not account.username:
        _refuse(Untrusted("", f"the username of {label}"), "is empty", "Write it into pair.toml.")
    for key, text in (("username", account.username), ("secret", account.secret)):
        value = Untrusted(text, f"the {key} of {label}", hidden=key == "secret")
        _no_control_characters(value)
        if len(_encoded(value, text)) > IAX_FIELD:
            _refuse(value, f"is longer than {IAX_FIELD} bytes, which chan_iax2 cuts", "Shorten it at the carrier.")
        for separator in "@:":
            if separator in text:
                _refuse(value, f"contains {separator!r}, at which chan_iax2 splits its register line", _CHANGE)
        if key == "secret" and text.startswith("["):
            _refuse(value, "begins with '[', which chan_iax2 takes for the name of an RSA key", _CHANGE)
    if ":" in account.host:
        raise Unwritable(f"The host of {label} is an IPv6 address, and chan_iax2 splits its register line at ':'. ")
    line = write_iax(account)
    if line is None or read_iax(line) != account:
        raise Unwritable(
            f"The register line of {label} is longer than the {BUFFER} bytes that chan_iax2 reads. "
            "Shorten its user name, secret or host."
        )
    return asterisk_value(Untrusted(line, f"the register line of {label}", hidden=True))


def named_string(value: str) -> str:
    """For a quoted string of named.conf, quotes included."""
    _no_control_characters(value)
    _encoded(value, value)
    for odd in '"\\':
        if odd in value:
            # named keeps some backslashes and drops others (lib/isc/lex.c), so no spelling is sure to read back.
            _refuse(value, f"contains {odd!r}, which named.conf cannot hold for certain", "Rename it.")
    return f'"{value}"'


def hosts_name(value: str) -> str:
    """For a name in /etc/hosts."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", value):
        _refuse(value, "is not a host name (letters, digits, '-', '.', at most 253)", "Rename it in pair.toml.")
    return str(value)


def unison_value(value: str) -> str:
    """For the right side of `name = value` in a Unison profile; it has neither quotes nor escapes."""
    _no_control_characters(value)
    _encoded(value, value)
    if value != value.strip():
        _refuse(value, "begins or ends with a blank, which Unison strips", "Rename it.")
    return str(value)


def markdown(value: str) -> str:
    """For running text in a Markdown file: shown as it is written, never as markup, on one line."""
    shown = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in value)
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", shown)


_CHANGE = "Change it at the carrier, or make the trunk a PJSIP one, which takes any character."
_PJSIP = 'Make the trunk channel = "pjsip", which escapes it, or change it at the carrier.'


def _why_not_sip(account: SipAccount, label: str) -> str:
    if len(f"{account.username}:{account.secret}:{account.auth_username}@{account.host}".encode()) > BUFFER - 16:
        return (
            f"The register line of {label} is longer than the {BUFFER} bytes that chan_sip reads. "
            "Shorten its user name, secret or host."
        )
    odd = sorted({character for character in account.secret + account.auth_username if character in '"\\:?/@~()[]'})
    return (
        f"The secret or auth_username of {label} cannot be written into a chan_sip register line: "
        f"its combination of {' '.join(odd) or 'characters'} does not read back. {_CHANGE}"
    )


def _no_control_characters(value: str) -> None:
    if found := _CONTROL.search(value):
        _refuse(
            value,
            f"contains the control character U+{ord(found[0]):04X}",
            "Write it again without it; a secret's file holds one line.",
        )


def _encoded(value: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        _refuse(value, "is not valid Unicode", "Write it again.")
        raise AssertionError from None


def _refuse(value: str, why: str, way_out: str) -> None:
    label = value.label if isinstance(value, Untrusted) else "a value"
    raise Unwritable(f"{label[0].upper()}{label[1:]} {why}. {way_out}")
