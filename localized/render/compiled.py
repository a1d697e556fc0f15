"""Templates compiled once in a process: both roles are rendered, and each a second time with its secrets masked."""

from __future__ import annotations

from types import CodeType
from typing import Final

import jinja2
from jinja2.bccache import Bucket


class CompiledTemplates(jinja2.BytecodeCache):
    """Compiled templates by name and file, each kept with the checksum of the source that it was compiled from.

    Environments come and go with the admin's directory, and a daemon outlives an edit: jinja asks for a template's
    code with the checksum of what the file holds now, so a change, or a file that takes another's place, is seen.
    """

    def __init__(self) -> None:
        """Nothing is compiled yet."""
        self._codes: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Gives what was compiled from this very source."""
        checksum, code = self._codes.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps it, in place of what was compiled from an earlier source."""
        if bucket.code is not None:
            self._codes[bucket.key] = (bucket.checksum, bucket.code)


COMPILED: Final = CompiledTemplates()
"""This process's; environments may share it, because all of ours compile alike."""
