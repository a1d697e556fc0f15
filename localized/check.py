"""--check and --diff: what is wrong, and what would change; nothing is touched."""

from __future__ import annotations

import difflib
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from host.errors import UsageError
from host.places import Places
from localized.activation import hosts_file as hosts
from localized.checks import own_configuration
from localized.checks.problem import ConfigProblem, Severity
from localized.checks.read_back import named_problems
from localized.errors import LocalizedError, reason
from localized.generations.files import on_disk
from localized.generations.store import GenerationStore
from localized.prepare import DNS_ROLES, PBX_ROLES, RenderedSets, dns_role_now, facts, render_role
from localized.role import Role
from pair import Pair


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One file that would change.

    Attributes:
        path: below `current`.
        lines: a unified diff, secrets masked.
        secret_changed: a secret in it changes, which the lines do not show.
    """

    path: str
    lines: tuple[str, ...]
    secret_changed: bool


def check(
    places: Places, pair: Pair, machine: str, role: Role | None, *, hosts_file: Path = Path("/etc/hosts")
) -> list[ConfigProblem]:
    """Everything that is wrong with what would be rendered, and with this machine's own files."""
    found: list[ConfigProblem] = []
    block = b""
    roles = PBX_ROLES if role is None else (role,)
    for each in roles:
        try:
            sets = render_role(places, pair, machine, each)
        except (LocalizedError, UsageError) as error:
            found.append(ConfigProblem(Severity.BLOCKER, reason(error)))
            continue
        block = next((file.data for file in sets.files if file.path == "hosts"), block)
        with tempfile.TemporaryDirectory(prefix="hotstandby-check-") as scratch:
            _lay_out(Path(scratch), sets)
            found += own_configuration.check(facts(pair, machine, each), places.localized, Path(scratch))
    found += _dns(places, pair, machine)
    found += [ConfigProblem(Severity.WARNING, text) for text in hosts.troubles(hosts_file, block)]
    return list(dict.fromkeys(found))


def role_now(places: Places) -> Role:
    """The active role; standby where none is active yet."""
    active = GenerationStore(places).pointed_to("current")
    return active.role if active is not None else Role.STANDBY


def differences(places: Places, pair: Pair, machine: str, wanted: Role) -> list[FileDifference]:
    """What activating a role would change against the active generation.

    Raises:
        NotRenderable, NotActivatable
    """
    active = GenerationStore(places).pointed_to("current")
    sets = render_role(places, pair, machine, wanted)
    found = []
    before = active.files() if active is not None else {}
    hidden = {file.path: file for file in sets.hidden}
    for path in sorted({*before, *(file.path for file in sets.files)}):
        old = active.shown(path) if active is not None and path in before else b""
        real = next((file for file in sets.files if file.path == path), None)
        shown = hidden.get(path, real)
        new = shown.data if shown is not None else b""
        changed = real is None or path not in before or before[path]["sha256"] != _sha256(real.data)
        if not changed:
            continue
        lines = difflib.unified_diff(
            _lines(old, drop_generation=path in before),
            _lines(new, drop_generation=False),
            f"active/{path}",
            f"{wanted.value}/{path}",
            lineterm="",
        )
        listed = tuple(lines)
        found.append(FileDifference(path, listed, secret_changed=not listed))
    return found


def _lines(data: bytes, *, drop_generation: bool) -> list[str]:
    lines = data.decode("utf-8", "replace").splitlines()
    return lines[1:] if drop_generation and lines and lines[0].startswith("; hotstandby generation ") else lines


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _lay_out(directory: Path, sets: RenderedSets) -> None:
    for file in sets.files:
        target = directory / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(on_disk(file, 0, sets.role))


def _dns(places: Places, pair: Pair, machine: str) -> list[ConfigProblem]:
    if pair.dns is None:
        return []
    active = dns_role_now(GenerationStore(places), pair, machine)
    found = []
    for role in DNS_ROLES:
        try:
            sets = render_role(places, pair, machine, role)
        except (LocalizedError, UsageError) as error:
            found.append(ConfigProblem(Severity.WARNING, f"DNS: {reason(error)}"))
            continue
        if role is active:
            with tempfile.TemporaryDirectory(prefix="hotstandby-check-") as scratch:
                _lay_out(Path(scratch), sets)
                found += [ConfigProblem(Severity.WARNING, text) for text in named_problems(Path(scratch))]
    return found
