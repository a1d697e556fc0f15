"""Asterisk's configuration files, read as Asterisk reads them, with everything told that it swallows silently.

The rules are those of main/config.c (config_text_file_load, process_text_line; the same from 16 to 22):
includes relative to the configuration directory, glob patterns, at most 10 deep; block comments; escaped
semicolons; templates, inheritance and `(+)`. An error inside an included file ends that file alone, and the load
"succeeds" without the rest of it; here it is a finding. tests/world/localized/test_activate.py compares this reader
with the real one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from localized.asterisk.comments import CommentDepth, without_comments
from localized.asterisk.files import Disk, LocalDisk
from localized.asterisk.sections import (
    BLANKS,
    ConfigSection,
    ConfigSetting,
    Unparsed,
    cut,
    folded,
    parse_setting,
    to_add_to,
    unsure,
)

__all__ = [
    "Conf",
    "ConfigFinding",
    "ConfigSection",
    "ConfigSetting",
    "Disk",
    "Include",
    "LocalDisk",
    "read_conf",
    "read_text",
]

LINE_LIMIT: Final = 8190
"""Bytes before the newline; a longer line is skipped with a warning."""
DEPTH_LIMIT: Final = 10
PATH_LIMIT: Final = 255
"""Bytes; a longer path is cut."""


@dataclass(frozen=True, slots=True)
class Include:
    """One file that was read because of `#include` or `#tryinclude`.

    Attributes:
        path: the file, as the pattern found it.
        into: the section that was open where it is included; None before any.
        file, line: where the directive stands.
    """

    path: str
    into: ConfigSection | None
    file: str
    line: int

    @property
    def section(self) -> str | None:
        """The name of that section."""
        return self.into.name if self.into is not None else None


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """Something that Asterisk reads otherwise than it is written, or not at all.

    Attributes:
        drops_rest: what follows in that file is not read.
    """

    file: str
    line: int
    text: str
    drops_rest: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(slots=True)
class Conf:
    """A configuration file with all that it includes.

    Attributes:
        sections: in order; templates and several of one name included.
        includes: every file read by a directive, in order.
        findings: what Asterisk would swallow, or warn of in its log alone.
        refused: why Asterisk refuses the whole of it, keeping what it had loaded before; None when it does not.
    """

    sections: list[ConfigSection] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    findings: list[ConfigFinding] = field(default_factory=list)
    refused: ConfigFinding | None = None

    def named(self, name: str) -> Iterator[ConfigSection]:
        """The sections of that name that are not templates; Asterisk compares without case."""
        return (one for one in self.sections if not one.template and folded(one.name) == folded(name))


class _Invalid(Exception):
    def __init__(self, finding: ConfigFinding) -> None:
        self.finding = finding


def read_conf(name: str, config_dir: str, disk: Disk, *, exec_includes: bool = False) -> Conf | None:
    """Reads `name` as Asterisk does.

    Args:
        name: a file name, relative to `config_dir` or absolute.
        config_dir: astetcdir.
        disk: where files come from.
        exec_includes: asterisk.conf says execincludes = yes. What `#exec` would print is never read here.

    Returns:
        None where there is no such file.
    """
    reader = _Reader(config_dir, disk, exec_includes)
    try:
        there = reader.load(name)
    except _Invalid as invalid:
        reader.conf.refused = invalid.finding
        return reader.conf
    return reader.conf if there else None


def read_text(data: bytes, *, file: str = "text", section: str | None = None) -> Conf:
    """Reads bytes as one included file: with `section` open where it begins, and nothing included from it."""
    disk = _Alone(file, data)
    reader = _Reader("/", disk, exec_includes=False)
    if section is not None:
        reader.open(ConfigSection(section, False, file, 0))
    try:
        reader.load(file)
    except _Invalid as invalid:
        reader.conf.refused = invalid.finding
    return reader.conf


@dataclass(frozen=True, slots=True)
class _Alone:
    file: str
    data: bytes

    def glob(self, pattern: str) -> list[str]:
        return [pattern]

    def read(self, path: str) -> bytes | None:
        return self.data if path in {self.file, f"//{self.file}"} else None


class _Reader:
    def __init__(self, config_dir: str, disk: Disk, exec_includes: bool) -> None:
        self.conf = Conf()
        self._config_dir = config_dir
        self._disk = disk
        self._exec_includes = exec_includes
        self._current: ConfigSection | None = None
        self._named: dict[bytes, list[ConfigSection]] = {}
        self._level = 0

    def open(self, section: ConfigSection) -> None:
        self.conf.sections.append(section)
        self._named.setdefault(folded(section.name), []).append(section)
        self._current = section

    def load(self, name: str, *, by: tuple[str, int] | None = None) -> bool:
        """Whether any file was read. An included file that is invalid ends, and its includer never hears of it."""
        if self._level > DEPTH_LIMIT:
            return False
        pattern = name if name.startswith("/") else f"{self._config_dir}/{name}"
        if len(pattern.encode("utf-8", "surrogateescape")) > PATH_LIMIT:
            file, line = by or (name, 0)
            self._tell(file, line, f"the path is longer than {PATH_LIMIT} bytes; Asterisk cuts it")
            return False
        self._level += 1
        found = False
        section, depth = self._current, 0
        for path in self._disk.glob(pattern):
            data = self._disk.read(path)
            if data is None:
                continue
            if by is not None:
                self.conf.includes.append(Include(path, section, *by))
            try:
                section, depth = self._lines(path, data, section, depth, first=not found)
                found = True
            except _Invalid as invalid:
                if by is None:
                    raise
                self.conf.findings.append(
                    ConfigFinding(
                        invalid.finding.file,
                        invalid.finding.line,
                        f"{invalid.finding.text}; Asterisk drops the rest of this file, silently",
                        drops_rest=True,
                    )
                )
                # Its level is not given back either (ast_config_internal_load): ten of them, and nothing is included.
                return True
        self._level -= 1
        return found

    def _lines(
        self, path: str, data: bytes, section: ConfigSection | None, depth: int, *, first: bool
    ) -> tuple[ConfigSection | None, int]:
        opened_at = 0
        for number, raw in enumerate(data.split(b"\n"), start=1):
            if len(raw) > LINE_LIMIT:
                self._tell(path, number, f"the line is longer than {LINE_LIMIT} bytes; Asterisk skips it")
                continue
            if b"\0" in raw:
                self._tell(path, number, "a NUL byte; Asterisk skips the rest of the line")
            line = raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
            if number == 1 and first:
                line = line.removeprefix("\ufeff")
            kept, after = without_comments(line, CommentDepth(depth))
            if after.depth < 0 <= depth:
                self._tell(
                    path, number, "'--;' ends a comment that never began; Asterisk skips every line that follows"
                )
            opened_at = number if depth == 0 and after.depth > 0 else opened_at
            depth = after.depth
            text = kept.strip(BLANKS) if kept is not None else ""
            if text:
                section = self._line(path, number, text, section)
        if depth > 0:
            self._tell(path, opened_at, "the comment that begins here never ends; Asterisk skips all that follows")
        return section, depth

    def _line(self, path: str, number: int, text: str, section: ConfigSection | None) -> ConfigSection | None:
        if text[0] == "[":
            return self._header(path, number, text)
        if text[0] == "#":
            self._directive(path, number, text)
            return section
        if section is None:
            raise _Invalid(ConfigFinding(path, number, "a setting before any [section]"))
        self._setting(path, number, text, section)
        return section

    def _header(self, path: str, number: int, text: str) -> ConfigSection:
        name, closed, options = text[1:].partition("]")
        if not closed:
            raise _Invalid(ConfigFinding(path, number, "'[' without ']'"))
        fresh = ConfigSection(cut(name), False, path, number)
        if not options.startswith("("):
            if options.strip(BLANKS):
                self._tell(path, number, f"Asterisk ignores '{options.strip(BLANKS)}' after ']'")
            self.open(fresh)
            return fresh
        listed, closed, _ = options[1:].partition(")")
        if not closed:
            raise _Invalid(ConfigFinding(path, number, "'(' without ')'"))
        target = fresh
        for option in listed.split(","):
            if option == "!":
                target.template = True
            elif option.startswith("+"):
                target = self._added_to(path, number, name, option[1:], target, fresh)
            else:
                base = self._base(option)
                if base is None:
                    raise _Invalid(
                        ConfigFinding(path, number, f"[{name}] inherits from '{option}', which does not exist")
                    )
                if base is target:
                    raise _Invalid(
                        ConfigFinding(
                            path, number, f"[{name}] inherits from itself, and Asterisk would copy without an end"
                        )
                    )
                target.settings.extend(base.settings)
        if target is fresh:
            self.open(fresh)
        return target

    def _added_to(
        self, path: str, number: int, name: str, condition: str, target: ConfigSection, fresh: ConfigSection
    ) -> ConfigSection:
        """The section that a `(+condition)` goes on with; what was inherited before goes into the first one."""
        existing = to_add_to(self._named.get(folded(name), []), condition)
        if unsure(condition):
            self._tell(path, number, f"(+{condition}) is read otherwise by Asterisk 16 than by 22, or by chance")
        if existing is None:
            which = f", with {condition}" if condition else ""
            raise _Invalid(ConfigFinding(path, number, f"(+) adds to [{name}]{which}, which does not exist"))
        if target is fresh:
            existing.settings.extend(fresh.settings)
            existing.template |= fresh.template
            self._current = existing
        return existing

    def _base(self, name: str) -> ConfigSection | None:
        """What `(name)` inherits from: the first of that name, template or not; of no name, the first of all."""
        of_that_name = self._named.get(folded(name), []) if name else self.conf.sections
        return next(iter(of_that_name), None)

    def _directive(self, path: str, number: int, text: str) -> None:
        # A byte above 127 ends the word: Asterisk compares signed characters.
        found = re.match(r"#([\x21-\x7f]*)(.*)", text, re.DOTALL)
        word, argument = (found[1].lower(), found[2].strip(BLANKS)) if found else ("", "")
        if word not in {"include", "tryinclude", "exec"}:
            self._tell(path, number, f"'#{word}' is no directive; Asterisk skips the line")
            return
        if word == "exec" and not self._exec_includes:
            self._tell(path, number, "#exec needs execincludes = yes in asterisk.conf; Asterisk skips the line")
            return
        if not argument:
            self._tell(path, number, f"#{word} names no file; Asterisk skips the line")
            return
        if argument[0] in '"<' and argument[-1] == {'"': '"', "<": ">"}[argument[0]]:
            argument = argument[1:-1]
        if word == "exec":
            self._tell(path, number, f"what '#exec {argument}' prints is not known here; it is not checked")
            return
        if not self.load(argument, by=(path, number)) and word == "include":
            why = "is more than 10 deep" if self._level > DEPTH_LIMIT else "is missing, or cannot be read"
            raise _Invalid(ConfigFinding(path, number, f"'{argument}' is included and {why}"))

    def _setting(self, path: str, number: int, text: str, section: ConfigSection) -> None:
        found = parse_setting(text)
        if found is Unparsed.REFUSED:
            raise _Invalid(ConfigFinding(path, number, found.value))
        if isinstance(found, Unparsed):
            self._tell(path, number, found.value)
            return
        name, value, appends = found
        if appends:
            section.append(name, value, path, number)
        else:
            section.settings.append(ConfigSetting(name, value, path, number))

    def _tell(self, file: str, line: int, text: str) -> None:
        self.conf.findings.append(ConfigFinding(file, line, text))
