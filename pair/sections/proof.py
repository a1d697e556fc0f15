"""[proof]: the call that proves a promotion, placed through a carrier and measured at both ends."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pair.fields import AbsolutePath, Name, Section, SectionName

_DIGITS = re.compile(r"\+?[0-9]{7,20}")
_EMERGENCY = ("911", "112", "999", "000")
"""Some exchanges take longer numbers that begin with one of these for the emergency number itself."""
_PATH = re.compile(r"/[A-Za-z0-9._/-]+")


def _number(text: str) -> str:
    if not _DIGITS.fullmatch(text):
        raise ValueError(
            "a telephone number of 7 to 20 digits, as the carrier wants it dialled: "
            "short numbers, such as those of the police, are never dialled to prove anything"
        )
    bare = text.lstrip("+")
    # 9 is the usual key for an outside line.
    if bare.startswith(_EMERGENCY) or bare.startswith(tuple(f"9{code}" for code in _EMERGENCY)):
        raise ValueError(f"'{text}' begins like an emergency number, which is never dialled to prove anything")
    return text


def _plain_path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("an absolute path of letters, digits, '.', '_', '-' and '/', because the dialplan writes it")
    return text


TestNumber = Annotated[str, AfterValidator(_number)]
PlainPath = Annotated[AbsolutePath, AfterValidator(_plain_path)]


class Proof(Section):
    """Which number is called, through which trunk, and how one knows that it was heard."""

    trunk: Name
    """The trunk of [trunks] that the call goes out through."""
    number: TestNumber
    """What is dialled: a number of ours that comes back in, or the carrier's echo test."""
    through: SectionName | None = None
    """What the dialplan calls that trunk: the peer or endpoint in Asterisk's own files. The trunk's endpoint, or its
    name, where it is left out."""
    answer: Literal["comes_back", "echo"] = "comes_back"
    """comes_back: the carrier calls us on `number`, and both ends are measured here; echo: the other end sends back
    what it hears."""
    caller: TestNumber | None = None
    """Our number as the carrier shows it to whom we call: with it, only calls from there are taken for the proof's.
    Left out, every call that comes in on `number` while the proof runs is taken for it."""
    ring_s: int = Field(default=10, ge=2, le=60)
    """Seconds until the call must be answered."""
    listen_s: int = Field(default=2, ge=1, le=10)
    """Seconds that each end listens."""
    directory: PlainPath = "/var/spool/asterisk/hotstandby"
    """Where Asterisk writes what it heard; it is made for Asterisk, and emptied after the call."""
