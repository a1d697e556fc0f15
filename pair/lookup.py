"""[lookup.X]: what the dialplan may ask, as configuration."""

from __future__ import annotations

from pair.fields import Section


class Lookup(Section):
    """One lookup."""
