"""What Asterisk says in its log of a configuration that it refuses, and of a carrier that refuses a registration.

No exit code and no reply has it: a reload "succeeds" while the module goes on with what it had. The sentences are
those of main/config.c, main/config_options.c, res/res_sorcery_config.c, res/res_pjsip_outbound_registration.c,
channels/chan_sip.c, channels/sip/config_parser.c and channels/chan_iax2.c, the same from 16 to 22. Rules only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from ami_watcher.registrations.lists import ListedRegistration

_READ_FOR: Final = {"sip.conf": {"sip"}, "iax.conf": {"iax2"}, "users.conf": {"sip", "iax2"}}
"""Which channel a file is for; every other one that sorcery names is PJSIP's."""
SHOWN: Final = 6
"""Sentences that a person gets to see."""


@dataclass(frozen=True, slots=True)
class ConfigRefusal:
    """One thing that Asterisk did not take.

    Attributes:
        words: Asterisk's own, without a value of any option.
        whole: the whole file, or every object of `type`, and not one line or object alone.
        file: of which it speaks; empty where it does not say.
        type, name: of the PJSIP object.
    """

    words: str
    whole: bool = False
    file: str = ""
    type: str = ""
    name: str = ""

    def keeps(self, channel: str) -> bool:
        """Whether the registrations of that channel are those of before, for this reason."""
        return self.whole and channel in _channels(self.file) and self.type in {"", "registration"}

    def concerns(self, trunk: str, channel: str) -> bool:
        """Whether the trunk's registration, or its credentials, were not loaded for this reason."""
        if channel not in _channels(self.file):
            return False
        if self.whole:
            return self.type in {"", "registration", "auth"}
        return not self.type or (self.name == trunk and self.type in {"registration", "auth"})


@dataclass(frozen=True, slots=True)
class CarrierAnswer:
    """What a carrier answered a registration with.

    Attributes:
        code: its SIP status code, or the cause that IAX2 gives; empty where nothing came.
    """

    channel: str
    account: str
    code: str


@dataclass(frozen=True, slots=True)
class LogFindings:
    """What the log has had since it was last looked at."""

    refusals: tuple[ConfigRefusal, ...] = ()
    answers: tuple[CarrierAnswer, ...] = ()

    def answer_to(self, listed: ListedRegistration) -> CarrierAnswer | None:
        """The last answer to a registration; None where the log tells of none."""
        user = {f"{listed.username}@{listed.host}", listed.username, listed.client_uri}
        same = [one for one in self.answers if one.channel == listed.channel and one.account in user]
        return same[-1] if same else None

    def about(self, trunk: str, channel: str) -> tuple[ConfigRefusal, ...]:
        """Why a trunk was not loaded."""
        return tuple(one for one in self.refusals if one.concerns(trunk, channel))

    def keeping(self, channel: str) -> tuple[ConfigRefusal, ...]:
        """Why the registrations of a channel are those of before."""
        return tuple(one for one in self.refusals if one.keeps(channel))


def words_of(refusals: tuple[ConfigRefusal, ...]) -> str:
    """Asterisk's sentences, one after the other."""
    said = list(dict.fromkeys(one.words for one in refusals))
    more = f" (and {len(said) - SHOWN} more)" if len(said) > SHOWN else ""
    return "; ".join(said[:SHOWN]) + more


def read_log(text: str) -> LogFindings:
    """Sorts what the log says."""
    refusals: list[ConfigRefusal] = []
    answers: list[CarrierAnswer] = []
    reasons: list[str] = []
    for line in text.splitlines():
        if reason := next((found[0] for one in _REASONS if (found := one.search(line))), None):
            # Asterisk says why before it says what.
            reasons.append(reason)
        elif refused := _refused(line):
            refusals.append(replace(refused, words=": ".join([*dict.fromkeys(reasons), refused.words])))
            reasons = []
        answers += _answered(line)
    refusals += [ConfigRefusal(reason) for reason in reasons]
    return LogFindings(tuple(dict.fromkeys(refusals)), tuple(answers))


_WHOLE: Final = (
    r"Config file '(?P<file>[^']+)' could not be loaded; configuration contains a duplicate object: "
    r"'(?P<name>.*?)' of type '(?P<type>[^']+)'",
    r"Config file '(?P<file>[^']+)' could not be loaded; configuration contains more than one object of type "
    r"'(?P<type>[^']+)'",
    r"Config file '(?P<file>[^']+)' could not be loaded due to error with object '(?P<name>.*?)' of type "
    r"'(?P<type>[^']+)'",
    r"Contents of config file '(?P<file>[^']+)' are invalid and cannot be parsed",
    r"Contents of (?P<file>\S+) are invalid and cannot be parsed",
    r"Config file (?P<file>\S+) is in an invalid format",
    r"Unable to load config(?: file)? '?(?P<file>[^'\s]+)'?",
)
_PART: Final = (
    r"Could not create an object of type '(?P<type>[^']+)' with id '(?P<name>.*?)' from configuration file "
    r"'(?P<file>[^']+)'",
    r"Format for registration is .*? at line \d+",
    r"Unable to retrieve PJSIP transport '.*?'",
    r"Realtime mapping for '.*?' found to engine '.*?', but the engine is not available",
)
_REASON: Final = (
    r"parse error: .*? line \d+ of \S+",
    r"Category addition requested, but category '.*?' does not exist, line \d+ of \S+",
    r"Inheritance requested, but category '.*?' does not exist, line \d+ of \S+",
    r"The file '.*?' was listed as a #include but it does not exist",
    r"Invalid escape in line \d+ of \S+",
    r"Could not find option suitable for category '.*?' named '.*?' at line \d+",
    # What follows the '=' may be anything, a secret too.
    r"Error parsing [\w-]+(?==)",
    r"No (?:server|client) URI specified on outbound registration '.*?'",
    r"(?:Server|Client) URI or hostname length exceeds pjproject limit or is not a sip\(s\) uri",
    r"Invalid (?:server|client|outbound proxy) URI(?= '.*?' specified on outbound registration)",
    r"Line support has been enabled on outbound registration '.*?' without providing an endpoint",
    r"An endpoint has been specified on outbound registration '.*?' without enabling line support",
)
_REASONS: Final = [re.compile(pattern) for pattern in _REASON]
_PATTERNS: Final = [
    *((re.compile(pattern), True) for pattern in _WHOLE),
    *((re.compile(pattern), False) for pattern in _PART),
]


def _refused(line: str) -> ConfigRefusal | None:
    for pattern, whole in _PATTERNS:
        if found := pattern.search(line):
            named = found.groupdict()
            file = named.get("file") or _format_of(found[0])
            return ConfigRefusal(found[0], whole, file, named.get("type") or "", named.get("name") or "")
    return None


def _format_of(words: str) -> str:
    """The file that a sentence without its name speaks of: each driver describes its own `register =>`."""
    if not words.startswith("Format for registration"):
        return ""
    return "sip.conf" if "peer?" in words else "iax.conf"


_ATTEMPT: Final = r"registration attempt to '(?P<who>[^']*)'"
_ANSWERS: Final = [
    (channel, re.compile(pattern), code)
    for channel, code, pattern in (
        ("pjsip", "", r"\b(?P<code>\d{3})\D{0,20} response received from '[^']*' on " + _ATTEMPT),
        ("pjsip", "", r"response '(?P<code>\d+)' received from '[^']*' on " + _ATTEMPT),
        ("pjsip", "", r"No response received from '[^']*' on " + _ATTEMPT),
        ("sip", "403", r"wrong password on authentication for REGISTER for '(?P<user>.*?)' to '(?P<host>.*?)'"),
        ("sip", "403", r"Treating 403 response to REGISTER as non-fatal for (?P<who>\S+)"),
        ("sip", "404", r"Got 404 Not found on SIP register to service (?P<who>\S+?),"),
        ("sip", "", r"Got error (?P<code>\d+) on register to (?P<who>\S+?),"),
        ("sip", "401", r"Failed to authenticate on REGISTER to '(?P<who>.*?)'"),
        ("sip", "", r"Registration for '(?P<who>.*?)' timed out"),
        ("iax2", "", r"Registration of '(?P<who>.*?)' rejected: '(?P<code>.*?)' from"),
    )
]
"""Channel, sentence, and the code where the sentence stands for one."""


def _answered(line: str) -> Iterator[CarrierAnswer]:
    for channel, pattern, code in _ANSWERS:
        if found := pattern.search(line):
            named = found.groupdict()
            account = named.get("who") or f"{named.get('user')}@{named.get('host')}"
            yield CarrierAnswer(channel, account, code or named.get("code") or "")
            return


def _channels(file: str) -> set[str]:
    return _READ_FOR.get(PurePosixPath(file).name, {"pjsip"}) if file else set()
