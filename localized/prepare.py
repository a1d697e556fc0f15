"""Everything up to the swap: both roles rendered, read back, put on disk, and held against this machine."""

from __future__ import annotations

import contextlib
import grp
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from host.errors import HotstandbyError, UsageError
from host.places import Places
from localized.checks import own_configuration
from localized.checks.problem import ConfigProblem, Severity
from localized.checks.read_back import asterisk_problems, named_problems
from localized.errors import LocalizedError, NotActivatable, SecretsUnusable, reason
from localized.generations.generation import Generation
from localized.generations.lock import directory_lock
from localized.generations.store import GenerationStore
from localized.render.facts import TemplateFacts
from localized.render.rendered import FileOwner, Rendered
from localized.role import Role
from pair import Pair, SecretUnusable, read_secret

PBX_ROLES = (Role.PRIMARY, Role.STANDBY)
DNS_ROLES = (Role.DNS_PRIMARY, Role.DNS_SECONDARY)
BUSY_S = 5.0
"""How long another process is waited for: rendering takes less; an activation that waits for a carrier takes more."""


@dataclass(frozen=True, slots=True)
class RenderedSets:
    """Rendered files of one role, as they are and with their secrets masked."""

    role: Role
    files: tuple[Rendered, ...]
    hidden: tuple[Rendered, ...]


@dataclass(frozen=True, slots=True)
class PreparedGeneration:
    """A generation that is complete on disk, and what was found on the way."""

    generation: Generation
    problems: tuple[ConfigProblem, ...]


def read_secrets(places: Places, pair: Pair, machine: str, role: Role) -> dict[str, str]:
    """The secrets that files of a role hold.

    Raises:
        SecretsUnusable: with everything that is wrong with them, not the first alone.
    """
    found, wrong = {}, []
    for name in TemplateFacts.secret_names(pair, machine, role):
        try:
            found[name] = read_secret(places, name)
        except SecretUnusable as error:
            wrong.append(str(error))
    if wrong:
        raise SecretsUnusable("\n".join(wrong))
    return found


def render_role(places: Places, pair: Pair, machine: str, role: Role) -> RenderedSets:
    """Renders one role and reads it back.

    Raises:
        NotRenderable, NotActivatable
    """
    from localized.render.render import (  # jinja2 is loaded where it is needed: most commands render nothing
        masked,
        render,
    )

    secrets = read_secrets(places, pair, machine, role)
    files = render(pair, machine, role, secrets, admin_templates=places.templates)
    hidden = masked(pair, machine, role, secrets, admin_templates=places.templates)
    wrong = list(asterisk_problems(files))
    if wrong:
        raise NotActivatable(
            f"What was rendered for {role.value} is not what Asterisk would read:\n"
            + "\n".join(f"  {line}" for line in wrong)
            + f"\nMend the template in {places.templates}; the active generation is untouched."
        )
    return RenderedSets(role, files, hidden)


def prepare(places: Places, pair: Pair, machine: str, role: Role) -> PreparedGeneration:
    """Renders all roles, puts them on disk, and checks the one that is asked for against this machine.

    Raises:
        NotRenderable, NotActivatable, NotWritable
        LockHeld: another process is at it, for longer than BUSY_S.
    """
    with directory_lock(places, f"preparing {role.value}", wait_s=BUSY_S):
        return _prepare(places, pair, machine, role)


def prepare_or_last(places: Places, pair: Pair, machine: str, role: Role) -> PreparedGeneration:
    """The role prepared anew; where it cannot be, the newest generation of it on disk, whole, with that as a warning.

    For whoever has to serve now: a secret that is gone, a template that broke or a disk that is full since the last
    rendering is no reason for nobody to answer.

    Raises:
        NotRenderable, NotActivatable, NotWritable, SecretUnusable: and nothing whole is on disk.
        LockHeld
    """
    try:
        return prepare(places, pair, machine, role)
    except (LocalizedError, UsageError, OSError) as error:
        last = GenerationStore(places).newest(role)
        if last is None or not _is_whole(last):
            raise
        why = reason(error) if isinstance(error, HotstandbyError) else f"the files cannot be read: {error}"
        words = f"{last.name}, rendered earlier, is used, because nothing could be rendered now: {why}"
        # The secrets of that time are in it; whoever looks at Asterisk's lists afterwards sees whether they still hold.
        problems = own_configuration.check(facts(pair, machine, role), places.localized, last.path)
        return PreparedGeneration(last, (ConfigProblem(Severity.WARNING, words), *problems))


def _is_whole(generation: Generation) -> bool:
    """Whether every file is there, with the size that it had."""
    try:
        return all((generation.path / name).stat().st_size == file["size"] for name, file in generation.files().items())
    except (LocalizedError, OSError, KeyError, TypeError):
        return False


def _prepare(places: Places, pair: Pair, machine: str, role: Role) -> PreparedGeneration:
    store = GenerationStore(places)
    sets = {each: render_role(places, pair, machine, each) for each in PBX_ROLES}
    written = {each: put(places, pair, machine, store, found) for each, found in sets.items()}
    problems = [*own_configuration.check(facts(pair, machine, role), places.localized, written[role].path)]
    if role is Role.PRIMARY:
        problems += _as_standby(places, pair, machine, written[Role.STANDBY], problems)
    problems += _prepare_dns(places, pair, machine, store)
    return PreparedGeneration(written[role], tuple(problems))


def _as_standby(
    places: Places, pair: Pair, machine: str, standby: Generation, known: list[ConfigProblem]
) -> Iterator[ConfigProblem]:
    """What would keep this machine from becoming standby again: told in time, by whoever makes it primary."""
    texts = {one.text for one in known}
    for one in own_configuration.check(facts(pair, machine, Role.STANDBY), places.localized, standby.path):
        if one.severity is Severity.BLOCKER and one.text not in texts:
            yield ConfigProblem(Severity.ERROR, f"As standby, Asterisk would stay registered: {one.text}")


def _prepare_dns(places: Places, pair: Pair, machine: str, store: GenerationStore) -> list[ConfigProblem]:
    """The DNS generations. What is wrong with them stops nothing here: the role in DNS is moved by itself."""
    if pair.dns is None:
        return []
    problems = []
    active = dns_role_now(store, pair, machine)
    for role in DNS_ROLES:
        try:
            generation = put(places, pair, machine, store, render_role(places, pair, machine, role))
            if role is active:
                problems += [ConfigProblem(Severity.WARNING, text) for text in named_problems(generation.path)]
                if not (store.root / "current-dns").is_symlink():
                    # The first time alone: from then on the link is the DNS step's, whatever it points to.
                    store.activate(generation)
        except (LocalizedError, UsageError) as error:
            problems.append(ConfigProblem(Severity.WARNING, f"DNS: {reason(error)}"))
    return problems


def dns_role_now(store: GenerationStore, pair: Pair, machine: str) -> Role:
    """The active role in DNS; where none is active yet, that of the preferred machine or of the other one."""
    active = store.pointed_to("current-dns")
    if active is not None:
        return active.role
    return Role.DNS_PRIMARY if pair.machines[machine].preferred else Role.DNS_SECONDARY


def put(places: Places, pair: Pair, machine: str, store: GenerationStore, sets: RenderedSets) -> Generation:
    """A rendered set on disk, as a generation.

    Raises:
        NotWritable, NotRenderable
    """
    from localized.render.render import template_names  # jinja2, as above

    inputs: Mapping[str, Any] = {
        "pair": pair.name,
        "pair_digest": pair.digest,
        "machine": machine,
        "templates": {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in sorted(template_names(places.templates).items())
        },
        "secrets": list(TemplateFacts.secret_names(pair, machine, sets.role)),
    }
    groups = {
        FileOwner.ASTERISK: pair.asterisk_on(machine).group,
        FileOwner.NAMED: _named_group(),
        FileOwner.ROOT: "root",
    }
    return store.write(sets.role, sets.files, sets.hidden, inputs, groups)


def _named_group() -> str:
    """BIND's group: Debian calls it bind, others named."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam("named").gr_name
    return "bind"


def facts(pair: Pair, machine: str, role: Role) -> TemplateFacts:
    """Facts without secrets, for checks that print nothing."""
    return TemplateFacts(pair, machine, role, {})
