"""[dns]: the zone whose names follow the primary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pair.fields import Address, Domain, Line, SecretFile, Section


class Dns(Section):
    """The zone, its name servers, and the names that point at the primary."""

    zone: Domain
    ttl_s: int = Field(default=30, ge=1, le=86400)
    method: Literal["update", "zonefile"] = "update"
    key_file: SecretFile | None = None
    """TSIG key, as BIND writes it."""
    servers: dict[str, Address] = Field(default_factory=dict)
    """Name servers by name; a machine's own under its name."""
    follow: dict[str, dict[str, Address]] = Field(default_factory=dict)
    """Name in the zone -> machine -> address."""
    zone_file: Line | None = None
