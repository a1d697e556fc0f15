"""Whom to call when something must be done by hand."""

from __future__ import annotations

from pydantic import Field

from pair.fields import Line, Section


class Person(Section):
    """One line of the checklist's telephone list."""

    name: Line
    """Who."""
    phone: Line
    """Where they answer at night."""
    for_: Line = Field(alias="for")
    """What to call them for."""
