"""What a registration's raw states mean, and when one state becomes another.

Rules only: no socket, no clock. Lists are truth, events are hints; see docs/understand/registrations.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ami_watcher.registrations.state_words import CAUSES, RegistrationState, meaning_of
from host.printable import printable

GONE_AFTER_S: Final = 0.4
"""A reload of chan_sip or chan_iax2 empties its list and fills it again; this is longer than that takes."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One outbound registration, as last proven.

    Attributes:
        trunk: name in pair.toml; for one that stands in no trunk, Asterisk's own name or user@host.
        channel: "sip", "iax2" or "pjsip".
        state: what it means now.
        since: when that state began, seconds on the caller's clock.
        expiry_s: seconds for which the carrier granted it (sip, iax2) or for which it was asked (pjsip, whose lists
            do not tell what was granted); None where that is not known.
        cause: why, in words, or None where nothing was said.
        proof: when a list last showed it, or showed that it is not there; None before the first list.
        raw: Asterisk's own word in that list, "" where it was not listed.
        unconfirmed_since: since when the lists have shown less than `state` says, without it being long enough to
            count; None while they agree.
    """

    trunk: str
    channel: str
    state: RegistrationState
    since: float
    expiry_s: int | None = None
    cause: str | None = None
    proof: float | None = None
    raw: str = ""
    unconfirmed_since: float | None = None

    def seen(
        self,
        raw: str | None,
        now: float,
        *,
        expected: bool = True,
        refresh_grace_s: float,
        expiry_s: int | None = None,
        hint: str | None = None,
    ) -> Registration:
        """This registration after a list showed `raw` for it, or did not show it (None).

        Two things look like an outage for a moment and are none. A refresh passes through "Request Sent"; a reload
        makes every chan_sip and chan_iax2 registration anew, as "Unregistered" or for an instant not at all, and takes
        nothing back from the carrier. So a held registration stays REGISTERED until no list has shown it
        "Registered" for `refresh_grace_s`, and a listed one is GONE when two lists, GONE_AFTER_S apart, leave it out.
        An unknown word is never taken for success.

        Args:
            raw: Asterisk's word.
            now: seconds, on the clock of `since`.
            expected: whether it should be held here.
            refresh_grace_s: how long a refresh may take, from grace_s.
            expiry_s: as granted.
            hint: why, as an event told it since the last list.
        """
        if raw is not None and not expected:
            return self._became(
                RegistrationState.UNEXPECTED, raw, now, expiry_s, f"Asterisk says '{printable(raw, 40)}' for it"
            )
        found = RegistrationState.GONE if raw is None else meaning_of(raw)
        if self._passing(found, now, refresh_grace_s):
            # Not proven anew: the proof stays what it was.
            return replace(self, unconfirmed_since=now if self.unconfirmed_since is None else self.unconfirmed_since)
        return self._became(found, raw or "", now, expiry_s, self._cause(found, raw, hint))

    def _passing(self, found: RegistrationState, now: float, refresh_grace_s: float) -> bool:
        """Whether `found` may still turn out to be nothing."""
        if found is RegistrationState.GONE:
            listed = self.state not in (RegistrationState.GONE, RegistrationState.UNKNOWN)
            return listed and (self.unconfirmed_since is None or now - self.unconfirmed_since < GONE_AFTER_S)
        if self.state is not RegistrationState.REGISTERED or self.proof is None or now - self.proof >= refresh_grace_s:
            return False
        return found is RegistrationState.REGISTERING or (
            found is RegistrationState.UNREGISTERED and self.channel != "pjsip"
        )

    def unknown(self, now: float, cause: str) -> Registration:
        """This registration when nobody can say any more how it is."""
        if self.state is RegistrationState.UNKNOWN:
            return self if self.cause == cause else replace(self, cause=cause)
        return replace(self, state=RegistrationState.UNKNOWN, since=now, cause=cause, unconfirmed_since=None)

    def _became(
        self, state: RegistrationState, raw: str, now: float, expiry_s: int | None, cause: str | None
    ) -> Registration:
        return Registration(
            trunk=self.trunk,
            channel=self.channel,
            state=state,
            since=self.since if state is self.state else now,
            expiry_s=expiry_s if state is not RegistrationState.GONE else None,
            cause=cause,
            proof=now,
            raw=raw,
        )

    def _cause(self, found: RegistrationState, raw: str | None, hint: str | None) -> str | None:
        if found is RegistrationState.REGISTERED:
            return None
        if raw is None:
            return "Asterisk does not list it"
        if found is RegistrationState.UNKNOWN:
            return f"Asterisk says '{printable(raw, 40)}', which we do not know"
        # What an event told stays true for as long as the word is the same.
        kept = self.cause if self.raw == raw and self.state is found else None
        return hint or kept or CAUSES.get((self.channel, raw))


def granted_s(channel: str, refresh_s: int | None) -> int | None:
    """The expiry of a registration whose list says `refresh_s`.

    chan_sip lists the time to the next refresh, which it starts 15 s before the expiry, or, where that is at most 30 s,
    20 % before it (handle_response_register, EXPIRY_GUARD_LIMIT). For 16 to 24 s both readings are possible, and the
    shorter one is given. chan_iax2 and PJSIP list the expiry itself.
    """
    if refresh_s is None or channel != "sip":
        return refresh_s
    return round(refresh_s / 0.8) if refresh_s <= 24 else refresh_s + 15


def grace_s(channel: str, refresh_s: int | None, *, poll_s: float, refresh_grace_s: float) -> float:
    """How long a held registration may be seen refreshing before it counts as lost, from its last proof.

    The refresh begins a margin before the carrier's binding ends; an answer that is still missing after the margin
    is an outage and no refresh. One poll is added, for the proof is up to that much older than the refresh.
    """
    if channel == "sip" and refresh_s is not None:
        margin = float((granted_s(channel, refresh_s) or refresh_s) - refresh_s)
    elif channel == "iax2" and refresh_s is not None:
        # REGREQ is sent anew after 5/6 of the refresh (chan_iax2 iax2_ack_registry).
        margin = refresh_s / 6
    else:
        margin = refresh_grace_s
    return min(max(margin, 1.0), refresh_grace_s) + poll_s
