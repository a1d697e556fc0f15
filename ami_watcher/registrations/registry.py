"""All registrations of one Asterisk: what should be held, against what the lists show.

Rules only: no socket, no clock. Lists are truth; an event says that it is worth looking, and sometimes why.
Events and lists do not name a registration alike. An event of chan_sip says user and host, of chan_iax2 user and
address:port of the server, of PJSIP client_uri and server_uri; a list says user, host and port, or user and
address:port, or the name of the object. So an event is matched to the entry of the last list that has its names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ami_watcher.registrations.addresses import same_host, split_address
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import ListedRegistration, RegistrationLists, matches
from ami_watcher.registrations.registration import Registration, grace_s, granted_s
from ami_watcher.registrations.state_words import RegistrationState
from host.printable import printable

MODULES: Final[Mapping[str, str]] = {
    "sip": "chan_sip.so",
    "iax2": "chan_iax2.so",
    "pjsip": "res_pjsip_outbound_registration.so",
}

CHANNEL_TYPES: Final[Mapping[str, str]] = {"SIP": "sip", "IAX2": "iax2", "PJSIP": "pjsip"}
"""ChannelType of a Registry event, and the channel as in pair.toml."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, from [watcher] of pair.toml."""

    poll_s: float = 5.0
    stale_s: float = 15.0
    refresh_grace_s: float = 30.0


@dataclass(frozen=True, slots=True)
class RegistrationChange:
    """A registration that is in another state than before; None where there is none."""

    before: Registration | None
    after: Registration | None


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """A trunk that should be registered here, with everything known about it: what reregister.py decides from.

    Attributes:
        expected: the trunk.
        listed: its entry in the last list, None where it had none.
        registration: what that means.
        heard: when an event last spoke of it, on the caller's clock; None for never.
    """

    expected: ExpectedRegistration
    listed: ListedRegistration | None
    registration: Registration
    heard: float | None


class RegistrationRegistry:
    """The registrations of one Asterisk.

    Args:
        expected: every trunk that registers, here or not.
        timing: polls and patience.
        addresses: what the hosts of iax2 trunks resolve to.
    """

    def __init__(
        self,
        expected: Iterable[ExpectedRegistration],
        *,
        timing: Timing,
        addresses: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.modules: frozenset[str] = frozenset()
        self.version = ""
        self.listed_at: float | None = None
        self._timing = timing
        self._expected: tuple[ExpectedRegistration, ...] = tuple(expected)
        self._addresses = dict(addresses or {})
        self._known: dict[str, Registration] = {}
        self._sorted: tuple[Registration, ...] | None = None
        self._entries: dict[str, ListedRegistration] = {}
        self._by_user: dict[tuple[str, str], list[str]] = {}
        self._hints: dict[str, str] = {}
        self._heard: dict[str, float] = {}
        self._unknown_because = "no list has been read yet"

    @property
    def registrations(self) -> tuple[Registration, ...]:
        """Every registration that is expected or listed, sorted by trunk; the same value until something is learned."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._known.values(), key=lambda one: (one.trunk, one.channel)))
        return self._sorted

    @property
    def unconfirmed(self) -> bool:
        """True while a change is unconfirmed; poll again soon."""
        return any(one.unconfirmed_since is not None for one in self._known.values())

    @property
    def trunk_statuses(self) -> tuple[TrunkStatus, ...]:
        """The trunks that should be registered here, each with what is known of it."""
        return tuple(
            TrunkStatus(one, self._entries.get(key), self._known[key], self._heard.get(key))
            for one in self._expected
            if one.here and (key := _key(one)) in self._known
        )

    @property
    def unexpected(self) -> frozenset[str]:
        """Channels of which something is listed that should not be here."""
        return frozenset(one.channel for one in self._known.values() if one.state is RegistrationState.UNEXPECTED)

    def expect(
        self,
        expected: Iterable[ExpectedRegistration],
        now: float,
        *,
        timing: Timing | None = None,
        addresses: Mapping[str, frozenset[str]] | None = None,
    ) -> tuple[RegistrationChange, ...]:
        """Another pair.toml, or another role. What is expected anew is unknown until the next list."""
        self._expected = tuple(expected)
        if timing is not None:
            self._timing = timing
        if addresses is not None:
            self._addresses = dict(addresses)
        after = dict(self._known)
        here = {_key(one): one for one in self._expected if one.here}
        for key, one in here.items():
            if key not in after or after[key].state is RegistrationState.UNEXPECTED:
                after[key] = Registration(
                    one.trunk, one.channel, RegistrationState.UNKNOWN, now, cause=self._unknown_because
                )
        for key, registration in self._known.items():
            if key not in here and registration.state is not RegistrationState.UNEXPECTED:
                # Whether it is still listed, and so unexpected, is for the next list to say.
                del after[key]
        return self._shifted(after)

    def hint(self, event: Mapping[str, str], now: float) -> bool:
        """Takes a Registry event. True when it speaks of a registration that we know."""
        channel = CHANNEL_TYPES.get(event.get("ChannelType", "").upper())
        if channel is None:
            return False
        username, domain = event.get("Username", ""), event.get("Domain", "")
        known = False
        for key in self._by_user.get((channel, username), ()):
            if not _spoken_of(self._entries[key], domain):
                continue
            known = True
            self._heard[key] = now
            cause = event.get("Cause", "")
            if event.get("Status") == "Registered" or not cause:
                self._hints.pop(key, None)
            else:
                self._hints[key] = f"the carrier says: {printable(cause, 120)}"
        return known

    def listed(
        self, lists: RegistrationLists, now: float, *, asked: float | None = None
    ) -> tuple[RegistrationChange, ...]:
        """Takes all lists of one moment.

        Args:
            asked: when the first of them was asked for, on the clock of `now`; `now` where it is not given.
        """
        self.modules = lists.modules
        self.version = lists.version
        self.listed_at = now
        entries, owners = self._assigned(lists.registrations)
        after: dict[str, Registration] = {}
        for key, listed in entries.items():
            after[key] = self._seen(key, owners.get(key), listed, now)
        for one in self._expected:
            key = _key(one)
            if key in after:
                continue
            if one.here:
                after[key] = self._seen(key, one, None, now)
        for key, registration in self._known.items():
            # One that was unexpected gets the same second look before it is said to be gone.
            if key not in after and registration.state is RegistrationState.UNEXPECTED:
                again = registration.seen(None, now, refresh_grace_s=0.0)
                if again.state is not RegistrationState.GONE:
                    after[key] = again
        self._entries = entries
        self._by_user = {}
        for key, listed in entries.items():
            self._by_user.setdefault((listed.channel, listed.client_uri or listed.username), []).append(key)
        # chan_iax2 sends no event when it succeeds again, so success in a list ends what an event said as well, unless
        # the event came while the list was under way: it says it once, and the next list shows it.
        begun = now if asked is None else asked
        refused = {key for key, one in after.items() if one.state is not RegistrationState.REGISTERED}
        self._hints = {
            key: hint
            for key, hint in self._hints.items()
            if key in refused or (key in after and self._heard.get(key, begun) > begun)
        }
        self._heard = {key: at for key, at in self._heard.items() if key in after}
        return self._shifted(after)

    def lost(self, cause: str, now: float) -> tuple[RegistrationChange, ...]:
        """Nobody can say any more how anything is."""
        self._unknown_because = cause
        return self._shifted({key: one.unknown(now, cause) for key, one in self._known.items()})

    def tick(self, now: float) -> tuple[RegistrationChange, ...]:
        """What time alone changes: a proof that is too old is none."""
        if self.listed_at is not None and now - self.listed_at <= self._timing.stale_s:
            return ()
        if self.listed_at is None:
            return ()
        return self.lost(f"the last list is {now - self.listed_at:.0f} s old", now)

    def _seen(
        self, key: str, owner: ExpectedRegistration | None, listed: ListedRegistration | None, now: float
    ) -> Registration:
        channel = listed.channel if listed is not None else key.partition(" ")[0]
        trunk = owner.trunk if owner is not None else printable(str(listed), 80)
        before = self._known.get(key) or Registration(trunk, channel, RegistrationState.UNKNOWN, now)
        here = owner is not None and owner.here
        if listed is None:
            after = before.seen(None, now, refresh_grace_s=0.0)
            if after.state is RegistrationState.GONE and channel not in self.modules:
                return _because(after, f"{MODULES.get(channel, channel)} is not loaded in this Asterisk")
            return after
        return before.seen(
            listed.state,
            now,
            expected=here,
            refresh_grace_s=grace_s(
                channel,
                listed.refresh_s,
                poll_s=self._timing.poll_s,
                refresh_grace_s=self._timing.refresh_grace_s,
            ),
            expiry_s=granted_s(channel, listed.refresh_s),
            hint=self._hints.get(key),
        )

    def _assigned(
        self, listed: Iterable[ListedRegistration]
    ) -> tuple[dict[str, ListedRegistration], dict[str, ExpectedRegistration]]:
        """Each entry of the lists under its trunk's key, or, where no trunk is left for it, under its own."""
        # By what every match needs, for lists may have thousands of entries.
        left: dict[tuple[str, str | None], list[ListedRegistration]] = {}
        for entry in listed:
            left.setdefault((entry.channel, entry.name if entry.channel == "pjsip" else entry.username), []).append(
                entry
            )
        entries: dict[str, ListedRegistration] = {}
        owners: dict[str, ExpectedRegistration] = {}
        # Trunks that belong here choose first: of two that look alike, the expected one is the one that is seen.
        # What no address fits is then told by user and port: the name may stand for other addresses by now.
        for addresses in (self._addresses, None):
            for one in sorted(self._expected, key=lambda each: not each.here):
                key = _key(one)
                if key in entries:
                    continue
                near = left.get((one.channel, one.trunk if one.channel == "pjsip" else one.username), [])
                mine = next((entry for entry in near if matches(entry, one, addresses)), None)
                if mine is not None:
                    near.remove(mine)
                    entries[key] = mine
                    owners[key] = one
        alike: Counter[str] = Counter()
        for entry in (entry for near in left.values() for entry in near):
            key = f"{entry.channel} {printable(str(entry))} {entry.host}:{entry.port or ''} {entry.server_uri or ''}"
            # Twice the same line in sip.conf is two entries that nothing but their place tells apart.
            alike[key] += 1
            entries[f"{key} {alike[key]}"] = entry
        return entries, owners

    def _shifted(self, after: dict[str, Registration]) -> tuple[RegistrationChange, ...]:
        before, self._known = self._known, after
        self._sorted = None
        shifts = []
        for key in before.keys() | after.keys():
            was, now_is = before.get(key), after.get(key)
            if was is None or now_is is None or was.state is not now_is.state:
                shifts.append(RegistrationChange(was, now_is))
        return tuple(sorted(shifts, key=lambda shift: (shift.after or shift.before or _NOBODY).trunk))


_NOBODY: Final = Registration("", "", RegistrationState.UNKNOWN, 0.0)


def _key(expected: ExpectedRegistration) -> str:
    return f"{expected.channel} trunk {expected.trunk}"


def _because(registration: Registration, cause: str) -> Registration:
    return Registration(
        registration.trunk,
        registration.channel,
        registration.state,
        registration.since,
        cause=cause,
        proof=registration.proof,
    )


def _spoken_of(listed: ListedRegistration, domain: str) -> bool:
    """Whether a Registry event of the same channel and user, with this Domain, is about `listed`."""
    if listed.channel == "pjsip":
        return listed.server_uri == domain
    if listed.channel == "sip":
        return same_host(listed.host, domain)
    return (listed.host, listed.port) == split_address(domain)
