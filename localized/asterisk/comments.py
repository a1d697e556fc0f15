"""Comments of one line of an Asterisk configuration file: `;`, `\\;`, and the block `;-- … --;`.

Asterisk cuts the line in place while it scans it (main/config.c, config_text_file_load), so what counts is the
order of its tests: an escaped semicolon first, then the start of a block, then its end, then a plain comment.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommentDepth:
    """How many blocks are open between two lines.

    Below zero, after a `--;` that ended nothing, Asterisk takes every line that follows for a comment.
    """

    depth: int = 0


def without_comments(line: str, before: CommentDepth) -> tuple[str | None, CommentDepth]:
    """What Asterisk makes of a line, and how many blocks are open after it.

    Returns:
        The text that it parses, semicolons unescaped; None where the whole line is a comment.
    """
    depth = before.depth
    text = line
    # Where the parsed part begins, None while a block is open, and where it was cut.
    begin: int | None = None if depth else 0
    cut: int | None = None
    scan = 0
    while (at := text.find(";", scan)) >= 0:
        if at > scan and text[at - 1] == "\\":
            text = text[: at - 1] + text[at:]
            scan = at
        elif text[at + 1 : at + 3] == "--" and text[at + 3 : at + 4] != "-":
            cut = at if cut is None else min(cut, at)
            scan = at + 3
            depth += 1
        elif at >= scan + 2 and text[at - 2 : at] == "--":
            depth -= 1
            scan = at + 1
            if depth == 0:
                if begin is None:
                    begin, cut = scan, None
                else:
                    kept = len(text) if cut is None else cut
                    text = text[:kept] + text[scan:]
                    scan, cut = kept, None
        elif depth:
            scan = at + 1
        else:
            cut = at if cut is None else min(cut, at)
            break
    if begin is None:
        return None, CommentDepth(depth)
    return text[begin:cut], CommentDepth(depth)
