"""The Domino sites that scripts and people reach by an alias, on whichever machine they are."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from pair.fields import Address, Line, Section


class Site(Section):
    """One host alias and where it points on each machine."""

    addresses: dict[str, Address]
    """By machine. In pair.toml they stand beside `marker`, one key a machine."""
    marker: Line | None = None
    """Path and query that answer with the name of the machine: proof that the alias reaches this machine's own site."""

    @model_validator(mode="before")
    @classmethod
    def _machines_stand_beside_the_marker(cls, given: Any) -> Any:
        if isinstance(given, dict) and "addresses" not in given:
            return {
                "addresses": {key: value for key, value in given.items() if key != "marker"},
                **({"marker": given["marker"]} if "marker" in given else {}),
            }
        return given


class Domino(Section):
    """[domino]: its sites by alias; /etc/hosts of each machine gets the aliases."""

    sites: dict[str, Site] = Field(default_factory=dict)
    """Its sites, by the host alias that scripts use."""
