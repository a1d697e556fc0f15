"""pair.toml from disk: validated whole, and what was valid last is kept.

A bad edit is synced to both machines within minutes. It must not disarm them: the last valid file serves,
loudly, until the new one is mended.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from host.atomic import own_directory, replace_file
from host.errors import UsageError
from host.file_reading import read_file, why_unreadable
from host.ownership import open_to_everybody
from host.places import Places
from host.printable import printable
from pair.cross_checks import broken_rules
from pair.fields import checked_name
from pair.machine_name import machine_name
from pair.model import Pair
from pair.problem import Problem, nearest, problems_of

_LIMIT = 4 * 1024 * 1024
"""Bytes; 5,000 trunks make about 1 MiB."""
_MOST_PARTS = 64
"""Of a dotted key; ours have four."""
# A quote that is not closed ends with its line, so that nothing is looked at twice.
_QUOTED_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|#[^\n]*+')
_BETWEEN_KEYS = re.compile(r"[=,\[\]{}\n]")


class PairInvalid(UsageError):
    """pair.toml cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{path} has {count}:\n{lines}\nMend {'it' if len(problems) == 1 else 'them'} and try again.")
        self.path = path
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Active:
    """The pair.toml that serves now.

    Attributes:
        pair: its values.
        warning: why it is not the current file, in words for the operator; None when it is.
    """

    pair: Pair
    warning: str | None


def parse(data: bytes, path: Path) -> Pair:
    """The values of a pair.toml.

    Args:
        data: its bytes.
        path: named in errors.

    Raises:
        PairInvalid: with every problem, not the first alone.
    """
    try:
        document = read_toml(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PairInvalid(path, [Problem("", f"is not UTF-8 at byte {error.start}.")]) from None
    except ValueError as error:
        raise PairInvalid(path, [Problem("", f"is not TOML: {error}.")]) from None
    try:
        pair = Pair.model_validate({**document, "digest": hashlib.sha256(data).hexdigest()})
    except ValidationError as error:
        raise PairInvalid(path, problems_of(error, Pair) + _bad_names(document)) from None
    problems = _bad_names(document) + broken_rules(pair)
    if problems:
        raise PairInvalid(path, problems)
    return pair


def read_toml(text: str) -> dict[str, Any]:
    """What a TOML document says, for whatever stands in it.

    Besides TOMLDecodeError, tomllib raises a plain ValueError for an integer of more digits than int() takes
    (sys.set_int_max_str_digits) and a RecursionError for brackets that nest too deep; and each part of a dotted key
    costs it as much as all parts before, so that 60 KB of "a.a.a" take it 13 s.

    Raises:
        ValueError: it is not TOML; in words, one printable line.
    """
    bare = _QUOTED_OR_COMMENT.sub("x", text)
    if any(piece.count(".") >= _MOST_PARTS for piece in _BETWEEN_KEYS.split(bare)):
        raise ValueError(f"it has a dotted key of more than {_MOST_PARTS} parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(printable(str(error))) from None
    except RecursionError:
        raise ValueError("its brackets nest deeper than can be read") from None
    except ValueError as error:
        if "digits" in str(error):
            raise ValueError(f"it holds a number of more than {sys.get_int_max_str_digits()} digits") from None
        raise ValueError(printable(str(error))) from None


def read(places: Places) -> Pair:
    """The current pair.toml, validated; what is valid is remembered as the last valid one.

    Raises:
        PairInvalid
        UsageError: it cannot be read.
    """
    path = places.pair_toml
    data = _bytes(path)
    pair = parse(data, path)
    _remember(places, data)
    return pair


def active(places: Places) -> Active:
    """The pair.toml that serves now: the current one, or the last valid one with a warning that says why.

    Raises:
        PairInvalid, UsageError: the current one cannot be used and there is no last valid one.
    """
    try:
        return Active(read(places), None)
    except UsageError as error:
        kept = last_valid(places)
        try:
            pair = parse(read_file(kept, _LIMIT), kept)
        except (OSError, PairInvalid):
            raise error from None
        return Active(pair, f"{error}\nUntil then the last valid one serves ({kept}).")


def this_machine(places: Places, pair: Pair) -> str:
    """The name in pair.toml of the machine that we are on.

    Raises:
        UsageError: localized/machine is missing, or names no machine of the pair.
    """
    name = machine_name(places, tuple(pair.machines))
    if name not in pair.machines:
        raise UsageError(
            f"{places.machine_file} says '{printable(name)}', which is not a machine of this pair "
            f"({', '.join(pair.machines)}).{nearest(name, pair.machines)}"
        )
    return name


def last_valid(places: Places) -> Path:
    """Where the last valid pair.toml is kept."""
    return places.state / "pair.last-valid.toml"


def _bytes(path: Path) -> bytes:
    try:
        data = read_file(path, _LIMIT)
    except OSError as error:
        if error.errno == errno.EFBIG:
            longer = f"is longer than {_LIMIT // 1024 // 1024} MiB: surely not a pair.toml."
            raise PairInvalid(path, [Problem("", longer)]) from None
        raise UsageError(
            f"{path} cannot be read: {why_unreadable(error)}. Write it, or name its directory with --config."
        ) from None
    against = open_to_everybody(path)
    if against:
        raise PairInvalid(path, [Problem("", f"is not believed, because it names programs that root runs: {against}.")])
    return data


def _remember(places: Places, data: bytes) -> None:
    kept = last_valid(places)
    # Only who may write there keeps it (root, the daemons); a script that merely reads is not stopped by that.
    with contextlib.suppress(OSError):
        if not kept.exists() or read_file(kept, _LIMIT) != data:
            own_directory(kept.parent)
            if os.access(kept.parent, os.W_OK):
                replace_file(kept, data, mode=0o644)


_NAMED_TABLES = ("machines", "trunks", "carriers", "lookup")


def _bad_names(document: dict[str, object]) -> list[Problem]:
    """Names of machines, trunks and carriers, which become file and section names."""
    found = []
    for table in _NAMED_TABLES:
        section = document.get(table)
        for name in section if isinstance(section, dict) else ():
            try:
                checked_name(name)
            except ValueError as error:
                found.append(Problem(f"{table}.{printable(name)}", f"cannot be a name. Allowed: {error}."))
    return found
