"""[carriers.X]: who routes our numbers, and how the route is moved."""

from __future__ import annotations

from pydantic import Field

from pair.fields import Line, Name, Section


class Carrier(Section):
    """One carrier."""

    preset: Name = "manual"
    """A file of templates/carriers/, or "manual": what to say, to whom, with which account."""
    dids: tuple[Line, ...] = ()
    account: Line | None = None
    phone: Line | None = None
    say: Line | None = None
    routes: dict[str, Line] = Field(default_factory=dict)
    """Route value by machine."""
