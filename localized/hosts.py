"""Our block in /etc/hosts: between two markers, everything else of the file untouched byte for byte."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from host.atomic import replace_file
from host.reading import LONGEST, read_file
from localized.errors import NotWritable

BEGIN: Final = b"# BEGIN hotstandby"
END: Final = b"# END hotstandby"


class BlockDamaged(NotWritable):
    """The markers are not one BEGIN and then one END; which lines are ours cannot be known."""


def with_block(content: bytes, block: bytes) -> bytes:
    """`content` with our block in it: in its place, or at the end; removed where `block` is empty.

    Args:
        content: the whole file.
        block: our lines, without markers.

    Raises:
        BlockDamaged
    """
    lines = _split(content)
    begins = [index for index, line in enumerate(lines) if line.strip() == BEGIN]
    ends = [index for index, line in enumerate(lines) if line.strip() == END]
    ours = [] if not block else [BEGIN + b"\n", block if block.endswith(b"\n") else block + b"\n", END + b"\n"]
    if not begins and not ends:
        if not ours:
            return content
        glue = b"" if not content or content.endswith(b"\n") else b"\n"
        return content + glue + b"".join(ours)
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise BlockDamaged(
            "The hosts file does not hold exactly one line '# BEGIN hotstandby' and, below it, one "
            "'# END hotstandby', so our lines cannot be told from yours. Remove the markers, and our lines with them."
        )
    return b"".join([*lines[: begins[0]], *ours, *lines[ends[0] + 1 :]])


def apply(path: Path, block: bytes) -> bool:
    """Puts our block into a hosts file, with one rename(2); False where it is there already.

    Raises:
        NotWritable
    """
    try:
        before = read_file(path, LONGEST) if path.exists() else b""
        after = with_block(before, block)
        if after == before:
            return False
        state = path.stat() if path.exists() else None
        replace_file(
            path.resolve(),
            after,
            mode=state.st_mode & 0o7777 if state else 0o644,
            owner=(state.st_uid, state.st_gid) if state and os.geteuid() == 0 else None,
        )
    except OSError as error:
        raise NotWritable(f"{path} cannot be written: {error.strerror or error}. Its block was not changed.") from None
    return True


def cloud_init_rewrites(root: Path = Path("/etc/cloud")) -> Path | None:
    """The file of cloud-init that makes it rewrite /etc/hosts at every boot (manage_etc_hosts), if there is one."""
    files = [root / "cloud.cfg", *sorted((root / "cloud.cfg.d").glob("*.cfg"))] if root.is_dir() else []
    found = None
    for path in files:
        try:
            text = read_file(path).decode("utf-8", "replace")
        except OSError:
            continue
        for value in re.findall(r"^\s*manage_etc_hosts\s*:\s*[\"']?([\w-]+)", text, re.MULTILINE):
            found = path if value.lower() not in {"false", "no", "off"} else None
    return found


def _split(content: bytes) -> list[bytes]:
    """Lines that end with a newline alone: a carriage return is a byte like any other here."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
