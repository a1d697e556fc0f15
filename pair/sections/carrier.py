"""[carriers.X]: who routes our numbers, and how the route is moved."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from pair.fields import AbsolutePath, Address, Line, Name, SecretFile, Section
from pair.telephone import international

_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{1,30}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,30}")
WANT_A_COUNTRY = frozenset({"flowroute", "http", "telnyx", "voipms"})
"""Presets of ours that write a number with its country; an admin's own may take the digits as they are given."""


class Carrier(Section):
    """One carrier."""

    preset: Name = "manual"
    """A file of templates/carriers/, or "manual": what to say, to whom, with which account."""
    dids: tuple[Line, ...] = ()
    """Numbers whose route moves, in any spelling; the preset knows which one the carrier wants."""
    account: Line | None = None
    """Our account there: user name, SID or access key of the API, or what a person asks for on the phone."""
    secret_file: SecretFile | None = None
    """The API's password, token or key."""
    phone: Line | None = None
    """manual: whom to call."""
    say: Line | None = None
    """manual: the words to say; {dids}, {machine}, {address}, {route} and {account} stand for ours."""
    routes: dict[str, Line] = Field(default_factory=dict)
    """Route value by machine."""
    values: dict[str, Line] = Field(default_factory=dict)
    """What else the preset asks for, such as trunk."""
    allowed: tuple[Address, ...] = ()
    """Addresses that the carrier's API was told to let in; both machines' must be there before the disaster."""
    base: Line | None = None
    """https://host of the API, where it is not the preset's."""
    plain_http: bool = False
    """Allows http:// in base: the secret goes over the wire in clear."""
    tls_ca_file: AbsolutePath | None = None
    """Certificates that are trusted; the system's where it is left out."""
    deadline_s: float = Field(default=30.0, gt=0, le=300)
    """Seconds for all of its numbers together."""

    @model_validator(mode="after")
    def _complete(self) -> Carrier:
        for number in self.dids:
            if not _NUMBER.fullmatch(number):
                raise ValueError(f"dids: '{number}' is not a telephone number, such as +15551234567")
            if self.preset in WANT_A_COUNTRY and international(number) is None:
                raise ValueError(f"dids: the country of '{number}' is not clear; write it as +15551234567")
        for name in self.values:
            if not _WORD.fullmatch(name):
                raise ValueError(f"values: '{name}' must be lower-case letters, digits and '_'")
        if self.base is not None:
            schemes = ("https://", "http://") if self.plain_http else ("https://",)
            if not self.base.startswith(schemes) or len(self.base.split("/")) != 3 or "@" in self.base:
                raise ValueError("base must be https://host or https://host:port, without a path")
        return self
