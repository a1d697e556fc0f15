"""What is the same on both machines, and which way it is copied."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pair.fields import AbsolutePath, Name, Section


def _relative(text: str) -> str:
    if text.startswith("/") or not text or ".." in text.split("/") or any(ord(character) < 32 for character in text):
        raise ValueError("a path below [sync] root, without a leading '/' and without '..'")
    return text.rstrip("/")


class SyncPath(Section):
    """One directory or file below the root."""

    path: Annotated[str, AfterValidator(_relative)]
    """Below the root."""
    direction: Literal["from-primary", "both"] = "from-primary"
    """Which side wins: the primary's alone, or changes of both."""


class Sync(Section):
    """[sync]: the shared tree. The localized directory must lie outside every path."""

    root: AbsolutePath = "/srv/shared"
    """The directory that both machines share; the same path on both."""
    ssh_user: Name = "root"
    """Whom Unison logs in as at the other machine."""
    paths: dict[str, SyncPath] = Field(default_factory=dict)
    """What is copied, by a name of your choice."""
