"""What Asterisk says about a call before anything else, read by its fixed order (res/res_agi.c, setup_env).

Asterisk prints `name: value` lines without any escaping, and the caller's number, the caller's name, the number
dialled and the arguments come from the network: a newline in one of them forges the lines that follow. Since the
names and their order are fixed, what does not fit gives the forgery away. The call is then anonymous: nothing of
what could have been forged is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

LIMIT: Final = 64 * 1024
"""Bytes of a whole environment. A genuine one has about 600; 127 long arguments stay below."""

_NUMBER: Final = rb"-?\d{1,20}"
_ANY: Final = rb"[^\n]*"

_ORDER: Final[tuple[tuple[str, bytes], ...]] = (
    ("agi_request", _ANY),
    ("agi_channel", _ANY),
    ("agi_language", _ANY),
    ("agi_type", _ANY),
    ("agi_uniqueid", _ANY),
    ("agi_version", _ANY),
    ("agi_callerid", _ANY),
    ("agi_calleridname", _ANY),
    ("agi_callingpres", _NUMBER),
    ("agi_callingani2", _NUMBER),
    ("agi_callington", _NUMBER),
    ("agi_callingtns", _NUMBER),
    ("agi_dnid", _ANY),
    ("agi_rdnis", _ANY),
    ("agi_context", _ANY),
    ("agi_extension", _ANY),
    ("agi_priority", _NUMBER),
    ("agi_enhanced", rb"[01]\.0"),
    ("agi_accountcode", _ANY),
    ("agi_threadid", _NUMBER),
)
"""Names in Asterisk's order, the same from 16 to 22, each with what its value may be."""

NAMES: Final = tuple(name for name, _ in _ORDER)

_GENUINE: Final = re.compile(
    rb"(?:agi_network: yes\n(?:agi_network_script: (?P<agi_network_script>[^\n]*)\n)?)?"
    + b"".join(b"%s: (?P<%s>%s)\n" % (name.encode(), name.encode(), value) for name, value in _ORDER)
    + rb"(?P<arguments>(?:agi_arg_[1-9]\d{0,2}: [^\n]*\n)*)"
)

_LINE: Final = re.compile(rb"(agi_[a-z0-9_]+): (.*)", re.DOTALL)
_ARGUMENT: Final = re.compile(rb"agi_arg_([1-9]\d{0,2}): ([^\n]*)\n")


@dataclass(frozen=True, slots=True)
class Environment:
    """What is known of the call that a script was started for.

    Attributes:
        script: the script that the dialplan named: the path of the agi:// address, or the file's name.
        request: the file or address as the dialplan wrote it.
        channel, uniqueid: of the channel, empty where they could have been forged.
        version: Asterisk's, None where it could have been forged.
        caller_number, caller_name: None where Asterisk knows none.
        dnid, rdnis: number dialled, and number that was redirected; None where unknown.
        context, extension, priority: where the dialplan stands; extension is what the caller dialled.
        accountcode: often empty.
        arguments: of the AGI application.
        tampered: why the environment is held to be forged, in words for the log; then everything that a caller could
            have written is None or empty. None for a genuine one.
    """

    script: str = ""
    request: str = ""
    channel: str = ""
    uniqueid: str = ""
    version: str | None = None
    caller_number: str | None = None
    caller_name: str | None = None
    dnid: str | None = None
    rdnis: str | None = None
    context: str = ""
    extension: str = ""
    priority: int = 0
    accountcode: str = ""
    arguments: tuple[str, ...] = ()
    tampered: str | None = None


def read_environment(block: bytes) -> Environment:
    """The environment in `block`: all lines up to the empty one, which is left out.

    Never raises: what is not exactly as Asterisk prints it is an anonymous call with `tampered` saying why.
    """
    found = _GENUINE.fullmatch(block)
    if found is None:
        return _anonymous(block, _what_is_wrong(block))
    fields = found.groupdict()
    arguments = []
    for number, (said, value) in enumerate(_ARGUMENT.findall(fields["arguments"]), 1):
        if int(said) != number:
            return _anonymous(block, f"agi_arg_{said.decode()} stands where agi_arg_{number} belongs")
        arguments.append(_text(value))
    request = _text(fields["agi_request"])
    return Environment(
        script=_script(fields["agi_network_script"], request),
        request=request,
        channel=_text(fields["agi_channel"]),
        uniqueid=_text(fields["agi_uniqueid"]),
        version=_text(fields["agi_version"]),
        caller_number=_known(fields["agi_callerid"]),
        caller_name=_known(fields["agi_calleridname"]),
        dnid=_known(fields["agi_dnid"]),
        rdnis=_known(fields["agi_rdnis"]),
        context=_text(fields["agi_context"]),
        extension=_text(fields["agi_extension"]),
        priority=int(fields["agi_priority"]),
        accountcode=_text(fields["agi_accountcode"]),
        arguments=tuple(arguments),
    )


def anonymous(environment: Environment, reason: str) -> Environment:
    """`environment` without anything that a caller could have written, held to be forged for `reason`."""
    return Environment(
        script=environment.script,
        request=environment.request,
        channel=environment.channel,
        uniqueid=environment.uniqueid,
        version=environment.version,
        tampered=environment.tampered or reason,
    )


def with_script(environment: Environment, script: str) -> Environment:
    """`environment` for a script whose name is known from elsewhere, such as the launcher's own file name."""
    return replace(environment, script=script)


def _anonymous(block: bytes, reason: str) -> Environment:
    """What stands before the caller's own data, as long as nothing speaks against it.

    The dialplan's own words come first. A newline in the channel's name could forge what follows it, but then the
    genuine line comes as well: what comes twice is not used.
    """
    lines = block.split(b"\n")
    names = [line.partition(b": ")[0] for line in lines]
    values = [line.partition(b": ")[2] for line in lines]
    network_script = None
    at = 0
    if names[0] == b"agi_network":
        at = 1
        if names[1:2] == [b"agi_network_script"]:
            network_script = values[1]
            at = 2
    in_place = 0
    while in_place < 6 and names[at + in_place : at + in_place + 1] == [NAMES[in_place].encode()]:
        in_place += 1

    def genuine(place: int, *, once: bool) -> str:
        if place >= in_place or (once and names.count(NAMES[place].encode()) != 1):
            return ""
        return _text(values[at + place])

    request = genuine(0, once=False)
    return Environment(
        script=_script(network_script, request),
        request=request,
        channel=genuine(1, once=False),
        uniqueid=genuine(4, once=True),
        version=genuine(5, once=True) or None,
        tampered=reason,
    )


def _what_is_wrong(block: bytes) -> str:
    """The first thing in which `block` differs from what Asterisk prints, in words."""
    lines = block.removesuffix(b"\n").split(b"\n")
    expected = list(NAMES)
    seen: set[str] = set()
    values = dict(_ORDER)
    arguments = 0
    for at, line in enumerate(lines):
        found = _LINE.fullmatch(line)
        name = found[1].decode() if found else ""
        if name in {"agi_network", "agi_network_script"} and at < 2 and len(seen) == at:
            seen.add(name)
            continue
        if name in seen:
            return f"{name} came twice"
        if found is None:
            behind = f" behind agi_arg_{arguments}: a line break inside an argument? FILTER() it" if arguments else ""
            return f"a line that is no 'name: value'{behind}"
        seen.add(name)
        if expected and name == expected[0]:
            expected.pop(0)
            if re.fullmatch(values[name], found[2]) is None:
                return f"{name} has a value that Asterisk never prints"
        elif not expected and name == f"agi_arg_{arguments + 1}":
            arguments += 1
        elif name in values or name.startswith("agi_arg_"):
            return f"{name[:40]} stands where {expected[0] if expected else f'agi_arg_{arguments + 1}'} belongs"
        else:
            return "a name that Asterisk does not know"
    return f"it ended before {expected[0]}" if expected else "it is not as Asterisk prints it"


def _script(network_script: bytes | None, request: str) -> str:
    if network_script is not None:
        return _text(network_script).partition("?")[0].strip("/")
    return request.rpartition("/")[2].removesuffix(".py")


def _known(value: bytes) -> str | None:
    return None if value in {b"unknown", b""} else _text(value)


def _text(value: bytes) -> str:
    # As it came: bytes that are no UTF-8 survive, and go back to Asterisk as they were.
    return value.decode("utf-8", "surrogateescape")
