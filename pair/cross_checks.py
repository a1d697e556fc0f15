"""Rules of pair.toml that reach across its sections. Values in, problems out; nothing is changed to fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pydantic import ValidationError

from pair.model import Pair
from pair.problem import Problem, nearest, problems_of
from pair.sections.machine import Asterisk
from pair.sections.trunk import Trunk


def broken_rules(pair: Pair) -> list[Problem]:
    """Everything that no single section can know to be wrong."""
    found = list(_machines(pair))
    if len(pair.machines) == 2:
        for rule in _RULES:
            found.extend(rule(pair))
    return found


def _machines(pair: Pair) -> Iterator[Problem]:
    if len(pair.machines) != 2:
        names = ", ".join(pair.machines) or "none"
        yield Problem("machines", f"a pair has exactly two machines; here: {names}.")
        return
    preferred = [name for name, machine in pair.machines.items() if machine.preferred]
    if len(preferred) != 1:
        said = "both have it" if preferred else "none has it"
        yield Problem("machines", f"exactly one machine has preferred = true; {said}.")
    (first, one), (second, other) = pair.machines.items()
    if first.lower() == second.lower():
        yield Problem(f"machines.{second}", f"differs from '{first}' by its case alone. Give it another name.")
    for key in ("public_address", "bind"):
        if getattr(one, key) == getattr(other, key) and (key == "public_address" or one.bind == one.public_address):
            yield Problem(
                f"machines.{second}.{key}", f"is {getattr(other, key)}, which is {first}'s. Each has its own."
            )


def _machine_names(pair: Pair) -> Iterator[Problem]:
    def unknown(section: str, names: Iterable[str]) -> Iterator[Problem]:
        for name in names:
            if name not in pair.machines:
                yield Problem(f"{section}.{name}", f"is not a machine of this pair.{nearest(name, pair.machines)}")

    def missing(section: str, names: Iterable[str]) -> Iterator[Problem]:
        for name in pair.machines:
            if name not in set(names):
                yield Problem(f"{section}.{name}", "is missing: an address on each machine is needed.")

    for name, trunk in pair.trunks.items():
        yield from unknown(f"trunks.{name}.machines", trunk.machines)
    for alias, site in pair.domino.sites.items():
        yield from unknown(f"domino.sites.{alias}", site.addresses)
        yield from missing(f"domino.sites.{alias}", site.addresses)
    if pair.dns is not None:
        for name, addresses in pair.dns.follow.items():
            yield from unknown(f"dns.follow.{name}", addresses)
            yield from missing(f"dns.follow.{name}", addresses)
    for carrier_name, carrier in pair.carriers.items():
        yield from unknown(f"carriers.{carrier_name}.routes", carrier.routes)


def _overrides(pair: Pair) -> Iterator[Problem]:
    for machine_name, machine in pair.machines.items():
        if machine.asterisk:
            try:
                pair.asterisk_on(machine_name)
            except ValidationError as error:
                yield from problems_of(error, Asterisk, ("machines", machine_name, "asterisk"))
    for trunk_name, trunk in pair.trunks.items():
        for machine_name in pair.machines if trunk.machines else ():
            own = trunk.machines.get(machine_name, {})
            where = ("trunks", trunk_name, "machines", machine_name)
            if "machines" in own:
                yield Problem(".".join((*where, "machines")), "cannot stand inside an override.")
                continue
            try:
                pair.trunk_on(trunk_name, machine_name)
            except ValidationError as error:
                yield from problems_of(error, Trunk, where)


def _carriers(pair: Pair) -> Iterator[Problem]:
    for name, trunk in pair.trunks.items():
        if trunk.carrier is not None and trunk.carrier not in pair.carriers:
            yield Problem(
                f"trunks.{name}.carrier",
                f"is '{trunk.carrier}', which is not under [carriers].{nearest(trunk.carrier, pair.carriers)}",
            )


def _trunks(pair: Pair) -> Iterator[Problem]:
    by_name: dict[str, str] = {}
    for name in pair.trunks:
        twin = by_name.setdefault(name.lower(), name)
        if twin != name:
            yield Problem(f"trunks.{name}", f"differs from '{twin}' by its case alone. Give it another name.")
    for machine in pair.machines:
        accounts: dict[tuple[str, str, int, str | None], str] = {}
        for name, common in pair.trunks.items():
            if not common.register_:
                continue
            try:
                trunk = pair.trunk_on(name, machine)
            except ValidationError:
                continue  # told by _overrides
            account = (trunk.channel, trunk.host.lower(), trunk.server_port, trunk.username)
            twin = accounts.setdefault(account, name)
            if twin != name:
                yield Problem(
                    f"trunks.{name}.username",
                    f"registers the same account as '{twin}' on {machine}: "
                    f"Asterisk could not tell them apart. Remove one of the two.",
                )


def _timing(pair: Pair) -> Iterator[Problem]:
    for name, trunk in pair.trunks.items():
        if trunk.register_ and trunk.expiry_s <= pair.watcher.poll_s:
            yield Problem(
                f"trunks.{name}.expiry_s",
                f"is {trunk.expiry_s} s, not longer than watcher.poll_s ({pair.watcher.poll_s:g} s): "
                "a lost registration would be seen too late. Poll more often, or ask for a longer expiry.",
            )


def _lookups(pair: Pair) -> Iterator[Problem]:
    for name, lookup in pair.lookup.items():
        # An address or a full name needs no alias; a name without a dot means nothing to anybody else.
        if "." not in lookup.site and ":" not in lookup.site and lookup.site not in pair.domino.sites:
            yield Problem(
                f"lookup.{name}.site",
                f"is '{lookup.site}', which is not under [domino.sites].{nearest(lookup.site, pair.domino.sites)}",
            )
        if lookup.deadline_ms >= pair.agi.deadline_s * 1000:
            yield Problem(
                f"lookup.{name}.deadline_ms",
                f"is {lookup.deadline_ms}, and agi.deadline_s, which holds for the whole script, "
                f"is {pair.agi.deadline_s:g}. Leave some time between them.",
            )


def _proof(pair: Pair) -> Iterator[Problem]:
    if pair.proof is not None and pair.proof.trunk not in pair.trunks:
        yield Problem(
            "proof.trunk",
            f"is '{pair.proof.trunk}', which is not under [trunks].{nearest(pair.proof.trunk, pair.trunks)}",
        )


_RULES: tuple[Callable[[Pair], Iterator[Problem]], ...] = (
    _machine_names,
    _overrides,
    _carriers,
    _trunks,
    _timing,
    _lookups,
    _proof,
)
