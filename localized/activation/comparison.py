"""Expected registrations beside what Asterisk lists, and what follows from the difference. Rules only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import ListedRegistration, RegistrationLists, matches
from ami_watcher.registrations.state_words import RegistrationState


@dataclass(frozen=True, slots=True)
class TrunkComparison:
    """One trunk that registers, as it should be and as it is."""

    wanted: ExpectedRegistration
    found: tuple[ListedRegistration, ...]
    loaded: bool
    """Whether the channel's module is there to list it."""

    @property
    def state(self) -> str:
        """The driver's word, or why there is none."""
        if self.found:
            return ", ".join(sorted({one.state for one in self.found}))
        return "-" if self.loaded else "module not loaded"

    @property
    def as_expected(self) -> bool:
        """Registered where it should be, absent where it should not."""
        if self.wanted.here:
            return bool(self.found) and all(one.registered for one in self.found)
        return not self.found

    @property
    def refused(self) -> bool:
        """The carrier said no; PJSIP says so of one that is silent as well."""
        return any(one.refused for one in self.found)

    @property
    def goes_on(self) -> bool:
        """Its driver certainly tries again by itself after a refusal, and after silence."""
        return bool(self.found) and all(one.persistent or one.channel == "iax2" for one in self.found)

    @property
    def unregistered(self) -> bool:
        """PJSIP has taken it back, has given it up, or waits for the answer to its first REGISTER."""
        return any(one.channel == "pjsip" and one.meaning is RegistrationState.UNREGISTERED for one in self.found)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All trunks, and what Asterisk registers besides."""

    rows: tuple[TrunkComparison, ...]
    foreign: tuple[ListedRegistration, ...]

    @property
    def listed(self) -> tuple[ListedRegistration, ...]:
        """Everything that Asterisk registers."""
        return (*(one for row in self.rows for one in row.found), *self.foreign)

    @property
    def missing(self) -> tuple[TrunkComparison, ...]:
        """Expected, and not registered."""
        return tuple(row for row in self.rows if row.wanted.here and not row.as_expected)

    @property
    def unwanted(self) -> tuple[TrunkComparison, ...]:
        """Listed, and must not be."""
        return tuple(row for row in self.rows if not row.wanted.here and not row.as_expected)

    @property
    def not_loaded(self) -> tuple[TrunkComparison, ...]:
        """Asterisk has read another set of registrations than the active one: a name is missing or too many."""
        return tuple(row for row in self.rows if bool(row.found) != row.wanted.here)

    @property
    def stateless(self) -> tuple[TrunkComparison, ...]:
        """Expected, listed by PJSIP, and kept in no state: it can be asked for by name no more."""
        return tuple(row for row in self.missing if any(one.stateless for one in row.found))

    @property
    def settled(self) -> bool:
        """Exactly as expected."""
        return all(row.as_expected for row in self.rows)


def compare(
    wanted: Sequence[ExpectedRegistration],
    lists: RegistrationLists,
    addresses: Mapping[str, frozenset[str]] | None = None,
) -> Comparison:
    """Sorts what Asterisk lists to the trunks that it belongs to.

    Args:
        wanted: every trunk that registers in some role.
        lists: of one moment.
        addresses: of host names, for chan_iax2.
    """
    exact: dict[tuple[str, str], list[ListedRegistration]] = {}
    for one in lists.registrations:
        exact.setdefault(_key(one), []).append(one)
    taken: set[int] = set()
    rows = []
    for trunk in wanted:
        near = exact.get((trunk.channel, trunk.trunk if trunk.channel == "pjsip" else trunk.username), [])
        found = tuple(one for one in near if matches(one, trunk, addresses))
        taken |= {id(one) for one in found}
        rows.append(TrunkComparison(trunk, found, trunk.channel in lists.modules))
    foreign = tuple(one for one in lists.registrations if id(one) not in taken)
    return Comparison(tuple(rows), foreign)


def _key(one: ListedRegistration) -> tuple[str, str]:
    return one.channel, (one.name or "") if one.channel == "pjsip" else one.username


def worth_waiting_for(comparison: Comparison, refused_by_design: frozenset[str]) -> bool:
    """Whether time alone, a second or thirty, can still settle it.

    A trunk whose carrier refuses a second registration, and has said so, waits for the other machine's binding to
    end; that takes minutes, and nothing else waits for it unless it is required.
    """
    open_rows = [row for row in comparison.rows if not row.as_expected]
    hopeless = [
        row
        for row in open_rows
        if row.wanted.here and row.refused and row.wanted.trunk in refused_by_design and not row.wanted.required
    ]
    return len(open_rows) > len(hopeless)


def refused_before(comparison: Comparison, reloaded: Set[str]) -> tuple[TrunkComparison, ...]:
    """What a carrier has refused, which nothing in this run has asked for yet, and which may be asked for now.

    PJSIP is asked for the one alone, and only where its configuration lets it give up (retry.py); chan_sip sends all
    of its registrations anew, and forgets none. A reload of chan_iax2 forgets those that are good, and it tries again
    by itself: it is asked only where it has no good one.

    Args:
        comparison: the first one of a run.
        reloaded: channels that were reloaded in it: what they list is an answer to that.
    """
    to_lose = any(one.channel == "iax2" and one.registered for one in comparison.listed)
    return tuple(
        row
        for row in comparison.missing
        if row.refused
        and row.wanted.channel not in reloaded
        and not (to_lose if row.wanted.channel == "iax2" else row.goes_on)
    )
