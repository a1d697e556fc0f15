"""Makes this machine's BIND primary or secondary for the zone, by what localized rendered for that role."""

from __future__ import annotations

import time
from typing import Final

from failover.bind.named import LocalNamed, NamedRefuses, NamedSilent
from failover.errors import FailoverError, NotProven
from host.atomic import swap_symlink
from host.places import Places
from localized.generations.generation import Generation
from localized.generations.lock import directory_lock_best_effort
from localized.generations.store import GenerationStore
from localized.role import Role
from pair.sections.dns import Dns

_SETTLE_S: Final = 10.0
_POLL_S: Final = 0.05
_WORD: Final = {Role.DNS_PRIMARY: "primary", Role.DNS_SECONDARY: "secondary"}


class NoDnsRoleRendered(FailoverError):
    """There is no generation for this DNS role."""


def take_role(named: LocalNamed, store: GenerationStore, role: Role, zone: str, *, distrust: bool = False) -> str:
    """Moves `current-dns`, checks with `named-checkconf -z`, and only then lets named read it.

    A secondary's file is raw by default, a primary's is text: where they differ the file is converted first, because
    named would drop the zone, and plain named-checkconf does not notice. Doing it again after a kill completes it.

    Args:
        distrust: what the zone says here is old, for the other machine was promoted meanwhile: as secondary, our BIND
            takes its copy for expired and answers nothing from it before it has a new one.

    Returns: what was seen, for the journal.

    Raises:
        NoDnsRoleRendered, NamedRefuses: `current-dns` is back where it was, and named runs on as before.
        NamedSilent, NotProven
        LockHeld: another process swaps; a zone is given up all the same.
    """
    generation = store.newest(role)
    if generation is None:
        raise NoDnsRoleRendered(
            f"Nothing is rendered for BIND as {_WORD[role]} of {zone}. Render it with: render-localized"
        )
    with directory_lock_best_effort(store.places, f"BIND {_WORD[role]} of {zone}", must=role is Role.DNS_PRIMARY):
        return _take_role(named, store, role, zone, generation, distrust=distrust)


def _take_role(
    named: LocalNamed, store: GenerationStore, role: Role, zone: str, generation: Generation, *, distrust: bool
) -> str:
    link = store.root / role.link
    before = str(link.readlink()) if link.is_symlink() else ""
    moved = store.activate(generation)
    try:
        block = named.block(zone)
        if block is None or block.kind != _WORD[role]:
            is_now = f"is {block.kind} there" if block else "does not stand there"
            raise NamedRefuses(
                f"named.conf does not follow {store.root / role.link}: {zone} {is_now}. "
                f'Wire it with: include "{store.root / role.link}/named/zones.conf";'
            )
        converted = named.fit_format(zone, block)
        named.check()
        if distrust:
            named.expire_copy(zone)
    except BaseException:
        if moved and before:
            swap_symlink(link, before)
        raise
    named.reconfig()
    limit = time.monotonic() + _SETTLE_S
    while _kind(named, zone, nothing_loaded=distrust) != _WORD[role]:
        if time.monotonic() > limit:
            raise NotProven(
                f"named read its configuration and is not {_WORD[role]} of {zone}. See: journalctl -u named"
            )
        time.sleep(_POLL_S)
    how = ", its file converted" if converted else ""
    return f"our BIND is {_WORD[role]} of {zone}{how}"


def _kind(named: LocalNamed, zone: str, *, nothing_loaded: bool) -> str:
    """What named is for the zone. Of a secondary whose copy has expired it tells nothing but that none is loaded."""
    try:
        return named.role(zone)
    except NamedRefuses:
        if nothing_loaded:
            return _WORD[Role.DNS_SECONDARY]
        raise


def give_zone_up(places: Places, dns: Dns | None, *, distrust: bool = False) -> str:
    """Makes our BIND secondary where it is primary of the zone; says what was seen, or nothing.

    After the PBX is standby: two primaries of one zone part ways without anybody seeing it, so the old one gives the
    zone up before the new one takes it.

    Args:
        distrust: as in take_role.

    Raises:
        as take_role
    """
    if dns is None or dns.primary is not None:
        return ""
    store, named = GenerationStore(places), LocalNamed.of(dns)
    try:
        if named.role(dns.zone) != "primary":
            return ""
    except NamedSilent as error:
        generation = store.newest(Role.DNS_SECONDARY)
        if generation is None or not (store.root / Role.DNS_SECONDARY.link).is_symlink():
            raise
        store.activate(generation)
        if distrust:
            named.expire_copy(dns.zone)
        return f"our BIND starts as secondary of {dns.zone} ({error})"
    return take_role(named, store, Role.DNS_SECONDARY, dns.zone, distrust=distrust)
