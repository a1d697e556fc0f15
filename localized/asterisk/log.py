"""Asterisk's own log, from one moment on: a file that `logger show channels` names.

Asterisk tells nobody but its log what a reload refused. Where it writes none that has errors, nothing is known, and
`where` is None.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from localized.asterisk.refusals import LogFindings, read_log
from localized.asterisk.reload import rx
from localized.errors import AsteriskUnreachable
from pair import Asterisk

AT_MOST: Final = 1 << 18
"""Bytes that are read of it: 5,000 refused objects."""
_ROW: Final = re.compile(r"^(/.{0,34}?)\s+File\s+(?:\S+\s+)?Enabled\s+-\s*(.*)$", re.MULTILINE)
_WIDTH: Final = 35
"""`logger show channels` cuts a path there (main/logger.c, FORMATL)."""


class AsteriskLog:
    """What Asterisk writes into its log from now on.

    Attributes:
        where: the file; None where there is none that can be read.
    """

    def __init__(self, asterisk: Asterisk) -> None:
        """Finds the file, and its end."""
        self.where: Path | None = None
        self._inode, self._from = 0, 0
        try:
            paths = log_files(rx(asterisk, "logger show channels"))
        except AsteriskUnreachable:
            return
        for path in paths:
            try:
                self.where = _whole(path)
                stat = self.where.stat()
            except OSError:
                self.where = None
                continue
            self._inode, self._from = stat.st_ino, stat.st_size
            return

    def findings(self) -> LogFindings:
        """What it has had so far."""
        if self.where is None:
            return LogFindings()
        try:
            with self.where.open("rb") as file:
                # It may have been rotated, or cut, meanwhile.
                stat = self.where.stat()
                same = stat.st_ino == self._inode and stat.st_size >= self._from
                file.seek(self._from if same else 0)
                return read_log(file.read(AT_MOST).decode("utf-8", "replace"))
        except OSError:
            return LogFindings()


def log_files(channels: str) -> list[str]:
    """Paths of the files that hold warnings and errors, those with notices first, from `logger show channels`.

    A path may be cut to 35 characters.
    """
    rows = sorted(_ROW.findall(channels), key=lambda row: "NOTICE" not in row[1])
    return [path for path, levels in rows if {"WARNING", "ERROR"} <= set(levels.split())]


def _whole(path: str) -> Path:
    """A path that may have been cut; of several that it may have been, the one written last.

    Raises:
        OSError
    """
    if len(path) < _WIDTH or Path(path).exists():
        return Path(path)
    directory, _, begin = path.rpartition("/")
    like = [one for one in Path(directory).iterdir() if one.name.startswith(begin)]
    return max(like, key=lambda one: one.stat().st_mtime, default=Path(path))
