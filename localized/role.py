"""The roles that a machine's files are rendered for: as a PBX, and, independently, in DNS."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """What a generation is for; its value is part of the generation's name."""

    PRIMARY = "primary"
    STANDBY = "standby"
    DNS_PRIMARY = "dns-primary"
    DNS_SECONDARY = "dns-secondary"

    @property
    def is_dns(self) -> bool:
        """Reached through `current-dns`, and moved by the DNS step alone."""
        return self in {Role.DNS_PRIMARY, Role.DNS_SECONDARY}

    @property
    def link(self) -> str:
        """The symbolic link that points to the active generation of this kind."""
        return "current-dns" if self.is_dns else "current"
