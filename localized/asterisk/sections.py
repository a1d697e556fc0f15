"""Sections of an Asterisk configuration file, and what stands in parentheses after `[name]`.

The rules are those of main/config.c (process_text_line, category_get_sep, does_category_match; the same from 16 to
22, but for what `unsure` tells).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

BLANKS: Final = "".join(chr(code) for code in range(33))
"""What ast_strip removes: every byte below 33."""
NAME_LIMIT: Final = 79
"""Bytes of a section's name that are kept (struct ast_category)."""


@dataclass(frozen=True, slots=True)
class ConfigSetting:
    """One `name = value` or `name => value`, unescaped."""

    name: str
    value: str
    file: str
    line: int


@dataclass(slots=True)
class ConfigSection:
    """One `[name]`, with what it inherited and what was added to it later, in order."""

    name: str
    template: bool
    file: str
    line: int
    settings: list[ConfigSetting] = field(default_factory=list)

    def last(self, name: str) -> str | None:
        """The last value of `name`, compared without case; None where it is not set."""
        found = [setting.value for setting in self.settings if setting.name.lower() == name.lower()]
        return found[-1] if found else None

    def append(self, name: str, rest: str, file: str, line: int) -> None:
        """`name += rest`: the last value is made longer, and takes the place of the first that has the same value or,
        where it is empty, of the first of that name in any case (main/config.c, ast_variable_update)."""
        last = next((one for one in reversed(self.settings) if one.name == name), None)
        if last is None:
            self.settings.append(ConfigSetting(name, rest.strip(BLANKS), file, line))
            return
        index, place = next(
            (index, one)
            for index, one in enumerate(self.settings)
            if folded(one.name) == folded(name) and (not last.value or folded(one.value) == folded(last.value))
        )
        self.settings[index] = ConfigSetting(name, (last.value + rest).strip(BLANKS), place.file, place.line)


class Unparsed(Enum):
    """A line in a section that is no setting, and why."""

    REFUSED = "'\\' before a blank"
    """Asterisk refuses the whole file for it."""
    NO_EQUALS = "no '=' in the line; Asterisk skips it"
    NO_NAME = "no name before '='; Asterisk skips the line"


def parse_setting(text: str) -> tuple[str, str, bool] | Unparsed:
    """Name, value, and whether the value is added to the last one (`+=`), of a line without comments and blanks around.

    A backslash at the beginning escapes the character that follows. What is added keeps its blanks until it is added.
    """
    first = 0
    if text[0] == "\\":
        text, first = text[1:], 1
        if not text or not "!" <= text[0] <= "\x7f":
            return Unparsed.REFUSED
    at = text.find("=", first)
    if at < 0:
        return Unparsed.NO_EQUALS
    appends = at > first and text[at - 1] == "+"
    name = text[: at - 1 if appends else at].strip(BLANKS)
    rest = text[at + 1 :]
    if not name:
        return Unparsed.NO_NAME
    return name, rest if appends else rest.removeprefix(">").strip(BLANKS), appends


def folded(name: str) -> bytes:
    """What Asterisk compares names by: strcasecmp folds ASCII alone."""
    return name.encode("utf-8", "surrogateescape").lower()


def cut(name: str) -> str:
    """The part of a section's name that Asterisk keeps."""
    return name.encode("utf-8", "surrogateescape")[:NAME_LIMIT].decode("utf-8", "surrogateescape")


def to_add_to(sections: Iterable[ConfigSection], condition: str) -> ConfigSection | None:
    """Of sections of one name the one that `(+condition)` adds to.

    Args:
        sections: those that stand above, in order, templates included.
        condition: what follows the '+': empty, or `type=registration`, or several joined by '&'.
    """
    return next((one for one in sections if _meets(one, condition)), None)


def unsure(condition: str) -> bool:
    """Whether Asterisk 16 and 22 take a condition differently, or by chance: an empty part, or a backslash."""
    parts = condition.split("&")
    return bool(condition) and ("\\" in condition or any(not part or part.endswith("=") for part in parts))


def _meets(section: ConfigSection, condition: str) -> bool:
    if not condition:
        return not section.template
    templates = False
    for part in _split(condition, "&"):
        halves = [*_split(part, "="), None][:2]
        name, value = halves[0] or "", halves[1]
        if value is None:
            return False
        if name == "TEMPLATES":
            restricts = value.lower() == "restrict"
            if not restricts and value.lower() != "include":
                return False
            if restricts and not section.template:
                return False
            templates |= section.template
        elif not _has(section, name, value):
            return False
    return templates or not section.template


def _has(section: ConfigSection, name: str, value: str) -> bool:
    """Whether a setting matches both; each is an extended regular expression that may match anywhere."""
    try:
        by_name, by_value = re.compile(name), re.compile(value)
    except re.error:
        return False
    return any(by_name.search(one.name) and by_value.search(one.value) for one in section.settings)


def _split(text: str, separator: str) -> list[str]:
    """ast_strsep with AST_STRSEP_STRIP: quoted text is left alone; blanks and one pair of quotes go."""
    parts, begin, quotes = [], 0, ""
    for at, character in enumerate(text):
        if character in "'\"":
            quotes = quotes[:-1] if quotes.endswith(character) else quotes + character
        elif character == separator and not quotes:
            parts.append(text[begin:at])
            begin = at + 1
    return [_unquoted(part.strip(BLANKS)) for part in [*parts, text[begin:]]]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0] else text
