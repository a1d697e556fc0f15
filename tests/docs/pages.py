"""The pages of the documentation, and what stands in them: links, commands, file names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
HISTORY: Final = frozenset({"decisions.md"})
"""What was so when it was written; it is not kept true."""
PROGRAMS: Final = ("failover", "render-localized", "ami-watcher", "agi-server")
OTHERS: Final = ("systemctl", "journalctl", "cp ", "chgrp", "curl")
"""Programs of others that name ours."""
_CALLED: Final = re.compile(rf"(?:^|[\s/=])((?:{'|'.join(PROGRAMS)})(?:\s.*)?)$")
_ENDS: Final = frozenset({"|", "||", "&&", ";", ">", ">>", "2>", "&"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of code on a page.

    Attributes:
        page: where it stands.
        number: of the line, from 1.
        text: as it stands there, without indentation.
        kind: what follows the fence's three backquotes; "indented", or "inline".
    """

    page: Path
    number: int
    text: str
    kind: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.number}: {self.text}"


def code(page: Path) -> Iterator[Line]:
    """Every line of code, and every word in backquotes, in order."""
    fence: str | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        bare = line.strip()
        if bare.startswith("```"):
            fence = None if fence is not None else bare.removeprefix("```")
        elif fence is not None:
            yield Line(page, number, bare, fence)
        elif line.startswith("    ") and bare:
            yield Line(page, number, bare, "indented")
        else:
            for inline in re.findall(r"`([^`]+)`", line):
                yield Line(page, number, inline, "inline")


def command(line: Line) -> list[str] | None:
    """The arguments of one of our programs, as a shell would split them; None where the line calls none of them."""
    text = re.sub(r"\s+#\s.*$", "", line.text)
    if line.kind == "inline" and not text.startswith(PROGRAMS):
        return None
    if line.kind in ("toml", "python", "ini", "text") or text.startswith(OTHERS):
        return None
    found = _CALLED.search(text)
    if found is None:
        return None
    try:
        words = shlex.split(found.group(1))
    except ValueError:
        return None
    until = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
    return words[:until]
