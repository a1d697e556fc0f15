"""What rendering comes to: files, with their bytes and rights.

Apart from the rendering itself, so that whoever only looks at generations goes without jinja2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class FileOwner(Enum):
    """Who may read a rendered file besides root."""

    ROOT = "root"
    ASTERISK = "asterisk"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One file of a generation.

    Attributes:
        path: relative to the generation's directory.
        data: all of its bytes.
        mode: permission bits.
        owner: whose group may read it.
        secret: it holds secrets, and is shown masked only.
        reload: the Asterisk module that reads it, such as "chan_sip.so"; None where none does.
    """

    path: str
    data: bytes
    mode: int
    owner: FileOwner
    secret: bool
    reload: str | None


FREEPBX_NAMES: Final[Mapping[str, str]] = {
    "asterisk/sip-registrations.conf": "asterisk/sip_registrations_custom.conf",
    "asterisk/iax-registrations.conf": "asterisk/iax_registrations_custom.conf",
    "asterisk/pjsip-registrations.conf": "asterisk/pjsip.registration_custom.conf",
}
"""The names that FreePBX's own files include."""


def digest(files: Iterable[Rendered]) -> str:
    """What tells one set of rendered files from another, hexadecimal."""
    summed = hashlib.sha256()
    for file in files:
        summed.update(f"{file.path}\0{file.mode:o}\0{file.owner.value}\0{len(file.data)}\0".encode())
        summed.update(file.data)
    return summed.hexdigest()
