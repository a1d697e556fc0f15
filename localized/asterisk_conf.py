"""Asterisk's configuration files, read as Asterisk reads them, with everything told that it swallows silently.

The rules are those of main/config.c (config_text_file_load, process_text_line; the same from 16 to 22):
includes relative to the configuration directory, glob patterns, at most 10 deep; block comments; escaped
semicolons; templates, inheritance and `(+)`. An error inside an included file ends that file alone, and the load
"succeeds" without the rest of it; here it is a finding. tests/world/test_activate.py compares this reader with
the real one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from localized.asterisk_line import CommentDepth, without_comments
from localized.disk import Disk, LocalDisk

__all__ = ["Conf", "Disk", "Finding", "Include", "LocalDisk", "Section", "Setting", "read_conf", "read_text"]

LINE_LIMIT: Final = 8190
"""Bytes before the newline; a longer line is skipped with a warning."""
DEPTH_LIMIT: Final = 10
PATH_LIMIT: Final = 255
"""Bytes; a longer path is cut."""
_BLANKS: Final = "".join(chr(code) for code in range(33))
"""What ast_strip removes: every byte below 33."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One `name = value` or `name => value`, unescaped."""

    name: str
    value: str
    file: str
    line: int


@dataclass(slots=True)
class Section:
    """One `[name]`, with what it inherited and what was added to it later, in order."""

    name: str
    template: bool
    file: str
    line: int
    settings: list[Setting] = field(default_factory=list)

    def last(self, name: str) -> str | None:
        """The last value of `name`, compared without case; None where it is not set."""
        found = [setting.value for setting in self.settings if setting.name.lower() == name.lower()]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Include:
    """One file that was read because of `#include` or `#tryinclude`.

    Attributes:
        path: the file, as the pattern found it.
        section: the section that was open where it is included; None before any.
        file, line: where the directive stands.
    """

    path: str
    section: str | None
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that Asterisk reads otherwise than it is written, or not at all."""

    file: str
    line: int
    text: str

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

    sections: list[Section] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    refused: Finding | None = None

    def named(self, name: str) -> Iterator[Section]:
        """The sections of that name that are not templates; Asterisk compares without case."""
        return (found for found in self.sections if found.name.lower() == name.lower() and not found.template)


class _Invalid(Exception):
    def __init__(self, finding: Finding) -> None:
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
        there = reader.load(name, level=1)
    except _Invalid as invalid:
        reader.conf.refused = invalid.finding
        return reader.conf
    return reader.conf if there else None


def read_text(data: bytes, *, file: str = "text", section: str | None = None) -> Conf:
    """Reads bytes as one included file: with `section` open where it begins, and nothing included from it."""
    disk = _Alone(file, data)
    reader = _Reader("/", disk, exec_includes=False)
    if section is not None:
        reader.open(Section(section, False, file, 0))
    try:
        reader.load(file, level=1)
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
        self._current: Section | None = None
        self._inheritable: dict[str, list[Section]] = {}

    def open(self, section: Section) -> None:
        self.conf.sections.append(section)
        self._inheritable.setdefault(section.name.lower(), []).append(section)
        self._current = section

    def load(self, name: str, *, level: int, by: tuple[str, int] | None = None) -> bool:
        """Whether any file was read. An included file that is invalid ends, and its includer never hears of it."""
        if level > DEPTH_LIMIT:
            return False
        pattern = name if name.startswith("/") else f"{self._config_dir}/{name}"
        if len(pattern.encode("utf-8", "surrogateescape")) > PATH_LIMIT:
            file, line = by or (name, 0)
            self._tell(file, line, f"the path is longer than {PATH_LIMIT} bytes; Asterisk cuts it")
            return False
        found = False
        section, depth = self._current, 0
        for path in self._disk.glob(pattern):
            data = self._disk.read(path)
            if data is None:
                continue
            found = True
            if by is not None:
                opened = self._current.name if self._current is not None else None
                self.conf.includes.append(Include(path, opened, *by))
            try:
                section, depth = self._lines(path, data, section, depth, level)
            except _Invalid as invalid:
                if level == 1:
                    raise
                self.conf.findings.append(
                    Finding(
                        invalid.finding.file,
                        invalid.finding.line,
                        f"{invalid.finding.text}; Asterisk drops the rest of this file, silently",
                    )
                )
                break
        return found

    def _lines(
        self, path: str, data: bytes, section: Section | None, depth: int, level: int
    ) -> tuple[Section | None, int]:
        opened_at = 0
        for number, raw in enumerate(data.split(b"\n"), start=1):
            if len(raw) > LINE_LIMIT:
                self._tell(path, number, f"the line is longer than {LINE_LIMIT} bytes; Asterisk skips it")
                continue
            if b"\0" in raw:
                self._tell(path, number, "a NUL byte; Asterisk skips the rest of the line")
            line = raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
            if number == 1:
                line = line.removeprefix("\ufeff")
            kept, after = without_comments(line, CommentDepth(depth))
            if after.depth < 0 <= depth:
                self._tell(
                    path, number, "'--;' ends a comment that never began; Asterisk skips every line that follows"
                )
            opened_at = number if depth == 0 and after.depth > 0 else opened_at
            depth = after.depth
            text = kept.strip(_BLANKS) if kept is not None else ""
            if text:
                section = self._line(path, number, text, section, level)
        if depth > 0:
            self._tell(path, opened_at, "the comment that begins here never ends; Asterisk skips all that follows")
        return section, depth

    def _line(self, path: str, number: int, text: str, section: Section | None, level: int) -> Section | None:
        if text[0] == "[":
            return self._header(path, number, text)
        if text[0] == "#":
            self._directive(path, number, text, level)
            return section
        if section is None:
            raise _Invalid(Finding(path, number, "a setting before any [section]"))
        self._setting(path, number, text, section)
        return section

    def _header(self, path: str, number: int, text: str) -> Section:
        name, closed, options = text[1:].partition("]")
        if not closed:
            raise _Invalid(Finding(path, number, "'[' without ']'"))
        fresh = Section(name, False, path, number)
        if not options.startswith("("):
            if options.strip(_BLANKS):
                self._tell(path, number, f"Asterisk ignores '{options.strip(_BLANKS)}' after ']'")
            self.open(fresh)
            return fresh
        listed, closed, _ = options[1:].partition(")")
        if not closed:
            raise _Invalid(Finding(path, number, "'(' without ')'"))
        target = fresh
        for option in listed.split(","):
            if option == "!":
                target.template = True
            elif option.startswith("+"):
                existing = self._inheritable.get(name.lower())
                if not existing:
                    raise _Invalid(Finding(path, number, f"(+) adds to [{name}], which does not exist"))
                existing[0].settings.extend(fresh.settings)
                existing[0].template |= target.template
                target = existing[0]
                self._current = target
            else:
                base = self._inheritable.get(option.lower())
                if not base:
                    raise _Invalid(Finding(path, number, f"[{name}] inherits from '{option}', which does not exist"))
                target.settings.extend(base[0].settings)
        if target is fresh:
            self.open(fresh)
        return target

    def _directive(self, path: str, number: int, text: str, level: int) -> None:
        found = re.match(r"#([^\x00-\x20]*)(.*)", text, re.DOTALL)
        word, argument = (found[1].lower(), found[2].strip(_BLANKS)) if found else ("", "")
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
        if not self.load(argument, level=level + 1, by=(path, number)) and word == "include":
            why = "is more than 10 deep" if level >= DEPTH_LIMIT else "is missing, or cannot be read"
            raise _Invalid(Finding(path, number, f"'{argument}' is included and {why}"))

    def _setting(self, path: str, number: int, text: str, section: Section) -> None:
        escaped = text[0] == "\\"
        if escaped:
            text = text[1:]
            if not text or text[0] <= " ":
                raise _Invalid(Finding(path, number, "'\\' before a blank"))
        at = text.find("=", 1 if escaped else 0)
        if at < 0:
            self._tell(path, number, "no '=' in the line; Asterisk skips it")
            return
        appends = at > (1 if escaped else 0) and text[at - 1] == "+"
        name = text[: at - 1 if appends else at].strip(_BLANKS)
        rest = text[at + 1 :]
        value = (rest if appends else rest.removeprefix(">")).strip(_BLANKS)
        if not name:
            self._tell(path, number, "no name before '='; Asterisk skips the line")
            return
        if appends:
            for index in range(len(section.settings) - 1, -1, -1):
                before = section.settings[index]
                if before.name == name:
                    joined = (before.value + rest).strip(_BLANKS)
                    section.settings[index] = Setting(name, joined, before.file, before.line)
                    return
        section.settings.append(Setting(name, value, path, number))

    def _tell(self, file: str, line: int, text: str) -> None:
        self.conf.findings.append(Finding(file, line, text))
