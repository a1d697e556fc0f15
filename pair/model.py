"""pair.toml as frozen, typed values: the two machines and everything they share."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

from pydantic import Field

from pair.fields import Name, Section
from pair.sections.agi import Agi
from pair.sections.carrier import Carrier
from pair.sections.dns import Dns
from pair.sections.domino import Domino
from pair.sections.fence import Fence
from pair.sections.lookup import Lookup
from pair.sections.machine import Asterisk, Machine
from pair.sections.person import Person
from pair.sections.proof import Proof
from pair.sections.sync import Sync
from pair.sections.trunk import Trunk
from pair.sections.watcher import Watcher

_Laid = TypeVar("_Laid", Asterisk, Trunk)


class Identity(Section):
    """Which pair this is."""

    name: Name
    """Shown wherever one could mistake it for another pair."""


class Pair(Section):
    """The whole of pair.toml, without the rules that reach across its sections (pair.cross_checks)."""

    pair: Identity
    machines: dict[str, Machine]
    asterisk: Asterisk = Asterisk()
    trunks: dict[str, Trunk] = Field(default_factory=dict)
    carriers: dict[str, Carrier] = Field(default_factory=dict)
    dns: Dns | None = None
    domino: Domino = Domino()
    fence: Fence | None = None
    proof: Proof | None = None
    sync: Sync = Sync()
    people: tuple[Person, ...] = ()
    watcher: Watcher = Watcher()
    agi: Agi = Agi()
    lookup: dict[str, Lookup] = Field(default_factory=dict)
    digest: str = Field(default="", exclude=True)
    """SHA-256 of the file's bytes, hexadecimal: the same on both machines, or something is wrong."""

    @property
    def name(self) -> str:
        """The name of the pair."""
        return self.pair.name

    @property
    def preferred(self) -> str:
        """The machine that is primary when nothing speaks against it."""
        return next(name for name, machine in self.machines.items() if machine.preferred)

    def peer_of(self, machine: str) -> str:
        """The other machine."""
        return next(name for name in self.machines if name != machine)

    def asterisk_on(self, machine: str) -> Asterisk:
        """[asterisk] as it holds on `machine`, its own keys laid over the common ones.

        Raises:
            ValidationError: the two together are not valid; never for a pair that was read.
        """
        own = self.machines[machine].asterisk
        return self._merged(("asterisk", machine), self.asterisk, own) if own else self.asterisk

    def trunk_on(self, trunk: str, machine: str) -> Trunk:
        """[trunks.X] as it holds on `machine`, its own keys laid over the common ones, which stand in it no more.

        Raises:
            ValidationError: the two together are not valid; never for a pair that was read.
        """
        common = self.trunks[trunk]
        if not common.machines:
            return common
        return self._merged(("trunks", trunk, machine), common, common.machines.get(machine, {}))

    def _merged(self, where: tuple[str, ...], common: _Laid, own: dict[str, Any]) -> _Laid:
        """A section with a machine's own keys, validated once: when pair.toml is read."""
        made_of, merged = self._merged_sections.get(where, (None, None))
        # A copy of this pair with other sections shares what was merged.
        if made_of is not common or not isinstance(merged, type(common)):
            merged = type(common).model_validate(_overlaid(common, own))
            self._merged_sections[where] = (common, merged)
        return merged

    @cached_property
    def _merged_sections(self) -> dict[tuple[str, ...], tuple[Section, Section]]:
        """Where in the file -> the common section and what it was merged into."""
        return {}


def _overlaid(common: Section, own: dict[str, Any]) -> dict[str, Any]:
    """The keys of `common` that were given, with those of `own` laid over them; tables are laid over key by key.

    The result is raw, to be validated as the section that it is.
    """

    def laid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
        merged = dict(below)
        for key, value in above.items():
            under = merged.get(key)
            merged[key] = laid(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
        return merged

    given = common.model_dump(by_alias=True, exclude_unset=True)
    given.pop("machines", None)
    return laid(given, own)
