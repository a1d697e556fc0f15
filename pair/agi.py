"""[agi]: the AGI server."""

from __future__ import annotations

from pair.fields import Section


class Agi(Section):
    """Settings of agi-server."""
