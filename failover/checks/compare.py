"""What differs between the machines and should not: two machines' facts side by side. Values and rules, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from failover.facts.shared_facts import UNKNOWN, expiry_of
from failover.peer.secrets import SecretsComparison
from failover.probes.evidence import CLOCK_S
from host.durations import lasting

EXPIRES_S: Final = 21 * 86400.0
"""A certificate that ends within three weeks is told."""
SHOWN: Final = 6
"""Names of a group that are listed; how many more there are is said."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, or that could not be compared.

    Attributes:
        name: of the fact, or of a group of them.
        here, there: what each machine has.
        matters: False where it is only not known, or may differ.
        unknown: it could not be compared, which is never as good as the same.
    """

    name: str
    here: str
    there: str
    matters: bool = True
    unknown: bool = False


def differences(
    here: Mapping[str, str], there: Mapping[str, str], *, clock_s: float, now: float
) -> tuple[Difference, ...]:
    """Everything that differs.

    Args:
        here, there: facts.facts() of each machine.
        clock_s: seconds by which the clocks surely differ.
        now: unix seconds, for certificates.
    """
    return (*_single(here, there), *_groups(here, there), *_clock(clock_s), *_certificates(here, there, now))


def of_secrets(found: SecretsComparison) -> tuple[Difference, ...]:
    """SecretsComparison that differ, and what could not be compared; never what they are."""
    differ = [
        Difference(f"secret: {path}", "another one", "another one", matters=path in found.grave)
        for path in found.differ
    ]
    unread = [Difference(f"secret: {path}", "not readable on", "one of the two") for path in found.unread]
    unknown = (
        [Difference("secrets", found.unknown, "not compared", matters=False, unknown=True)] if found.unknown else []
    )
    return (*differ, *unread, *unknown)


def _single(here: Mapping[str, str], there: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*here, *there}):
        one, other = here.get(name, ""), there.get(name, "")
        if ": " in name or one == other:
            continue
        if one.startswith(UNKNOWN) or other.startswith(UNKNOWN):
            yield Difference(name, one, other, matters=False, unknown=True)
        else:
            yield Difference(name, one or "none", other or "none")


def _groups(here: Mapping[str, str], there: Mapping[str, str]) -> Iterator[Difference]:
    groups = {name.partition(": ")[0] for name in (*here, *there) if ": " in name}
    for group in sorted(groups):
        if group in here or group in there:
            continue  # the group could not be had on one side: told by _single
        one = {name: value for name, value in here.items() if name.startswith(f"{group}: ")}
        other = {name: value for name, value in there.items() if name.startswith(f"{group}: ")}
        only_here, only_there = _names(group, one.keys() - other.keys()), _names(group, other.keys() - one.keys())
        if only_here or only_there:
            yield Difference(f"{group}s on one machine alone", only_here or "-", only_there or "-")
        for name in sorted(one.keys() & other.keys()):
            if one[name] != other[name]:
                yield Difference(name, one[name], other[name])


def _names(group: str, names: set[str]) -> str:
    bare = sorted(name.removeprefix(f"{group}: ") for name in names)
    more = f" and {len(bare) - SHOWN} more" if len(bare) > SHOWN else ""
    return ", ".join(bare[:SHOWN]) + more


def _clock(clock_s: float) -> Iterator[Difference]:
    if clock_s > CLOCK_S:
        yield Difference("clock", "now", f"{lasting(clock_s)} apart")


def _certificates(here: Mapping[str, str], there: Mapping[str, str], now: float) -> Iterator[Difference]:
    for name in sorted({*here, *there}):
        if not name.startswith("certificate: "):
            continue
        ends = [(end, value) for value in (here.get(name, ""), there.get(name, "")) if (end := expiry_of(value))]
        if ends and min(ends)[0] - now < EXPIRES_S:
            yield Difference(f"{name} ends soon", here.get(name, "-"), there.get(name, "-"))
