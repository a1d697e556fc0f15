"""When a registration that Asterisk has given up is started again, and how.

Rules only: no socket, no clock. Two drivers give up for ever. chan_sip does after a 403, 404 and their like, and only
reading its registrations anew starts it again: AMI Reload, for which `write = system` suffices. PJSIP does after its
last retry, after answers that it holds to be final, and once a binding was taken back; it says "Rejected" for those
that it will retry as well, so it is held to have given up when no event has spoken of it for longer than its longest
pause and one transaction; as we render it, never. PJSIPRegister then starts it again (`write = system` or
`reporting`). It takes the binding back first, and at a carrier that is silent that alone may be left of it: so one
that goes on by itself is never asked for, and one that stays Unregistered is asked for until it is not. chan_iax2
never gives up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from ami_watcher.registrations.registry import TrunkStatus
from ami_watcher.registrations.state_words import RegistrationState

TRANSACTION_S: Final = 42.0
"""PJSIP's REGISTER goes unanswered for 32 s (timer F) before its result is known; ten seconds are for DNS and load."""
RETRY_S: Final = 60.0
"""PJSIP's default retry_interval, where the list leaves it out."""
LONGEST_PAUSE_S: Final = 900.0
UNREGISTERED_S: Final = 12.0
"""PJSIP sends its first REGISTER within 10 s of a reload (max_random_initial_delay). One that is Unregistered for
longer waits for an answer, which a further question does not disturb, or has given up."""
EVERYTHING: Final = "*all"
"""What PJSIPRegister takes instead of a name; the one way to those that Asterisk keeps no state for."""


@dataclass(frozen=True, slots=True)
class Reregistration:
    """One action that starts registrations again.

    Attributes:
        action: name of the AMI action.
        fields: its headers.
        trunks: whom it is for. A reload of chan_sip sends every registration of chan_sip anew.
        why: one clause, for the log.
    """

    action: str
    fields: tuple[tuple[str, str], ...]
    trunks: tuple[str, ...]
    why: str

    @property
    def done(self) -> str:
        """What was done, for people."""
        return " ".join([self.action, *(value for _, value in self.fields)])


@dataclass(frozen=True, slots=True)
class _Tries:
    """What was done for one trunk since it was last registered.

    Attributes:
        refused_at: when it was first seen refused.
        last: when it was last asked for, or refused_at.
        doublings: of the pause.
    """

    refused_at: float
    last: float
    doublings: int = 0


class ReregistrationSchedule:
    """Remembers what was asked for, so that a carrier that goes on refusing is asked ever more rarely.

    A carrier that refuses only for as long as the other machine's binding lives is asked at an even pace until then:
    from its end on, every second of a pause is one without calls.

    Args:
        after_s: how long a registration is left alone first; the pause doubles from there up to LONGEST_PAUSE_S.
    """

    def __init__(self, *, after_s: float) -> None:
        self.after_s = after_s
        self._tries: dict[str, _Tries] = {}

    def due(
        self,
        trunks: Iterable[TrunkStatus],
        now: float,
        *,
        may_shared: bool,
        unexpected: frozenset[str] = frozenset(),
    ) -> tuple[Reregistration, ...]:
        """What to do now. Whatever is returned counts as done at `now`.

        Args:
            trunks: those that should be registered here (RegistrationRegistry.trunk_statuses).
            now: seconds, on the clock of the registrations.
            may_shared: whether this machine may register on accounts that only one machine may hold.
            unexpected: channels of which something is listed that should not be here (Registry.unexpected).
        """
        all_of_them = tuple(trunks)
        for one in all_of_them:
            if one.registration.state is RegistrationState.REGISTERED:
                self._tries.pop(one.expected.trunk, None)
        # Anything that a reload of chan_sip would register must be allowed, not only what needs it.
        shared_sip = any(one.expected.channel == "sip" and one.expected.shared for one in all_of_them)
        reload_allowed = may_shared or not (shared_sip or "sip" in unexpected)
        due: list[Reregistration] = []
        sip: list[TrunkStatus] = []
        stateless: list[TrunkStatus] = []
        for one in all_of_them:
            if not self._ripe(one, now):
                continue
            if one.expected.channel == "sip" and reload_allowed:
                sip.append(one)
            elif one.expected.channel == "pjsip" and (may_shared or not one.expected.shared):
                if one.listed is not None and one.listed.stateless:
                    stateless.append(one)
                    continue
                self._count(one, now)
                due.append(
                    Reregistration(
                        "PJSIPRegister", (("Registration", one.expected.trunk),), (one.expected.trunk,), _why(one)
                    )
                )
        if stateless and _nothing_of_pjsip_to_lose(all_of_them, may_shared, unexpected):
            for one in stateless:
                self._count(one, now)
            due.append(
                Reregistration(
                    "PJSIPRegister",
                    (("Registration", EVERYTHING),),
                    tuple(one.expected.trunk for one in stateless),
                    "Asterisk keeps no state for it since all were taken back",
                )
            )
        if sip:
            for one in sip:
                self._count(one, now)
            words = ", ".join(sorted({one.registration.raw for one in sip}))
            due.append(
                Reregistration(
                    "Reload",
                    (("Module", "chan_sip"),),
                    tuple(one.expected.trunk for one in sip),
                    f"chan_sip does not retry after '{words}'",
                )
            )
        return tuple(due)

    def _ripe(self, one: TrunkStatus, now: float) -> bool:
        if one.listed is None:
            return False
        if one.registration.state is RegistrationState.UNREGISTERED:
            last = max(one.registration.since, self._of(one).last)
            return one.expected.channel == "pjsip" and now - last >= UNREGISTERED_S
        if one.registration.state is not RegistrationState.REJECTED or now - self._of(one).last < self._pause_s(one):
            return False
        if one.expected.channel == "sip":
            return one.listed.gave_up
        if one.expected.channel == "pjsip" and not one.listed.persistent:
            quiet_since = max(one.registration.since, one.heard or 0.0)
            longest = RETRY_S if one.listed.retry_s is None else float(one.listed.retry_s)
            return now - quiet_since >= longest + TRANSACTION_S
        return False

    def _of(self, one: TrunkStatus) -> _Tries:
        since = one.registration.since
        return self._tries.get(one.expected.trunk, _Tries(refused_at=since, last=since))

    def _pause_s(self, one: TrunkStatus) -> float:
        return min(self.after_s * 2.0 ** self._of(one).doublings, LONGEST_PAUSE_S)

    def _held_elsewhere(self, one: TrunkStatus, now: float) -> bool:
        """Whether the other machine's binding may still be what the carrier refuses for; and one pause longer, so that
        somebody asks when it has just ended."""
        held_s = one.expected.held_elsewhere_s
        return held_s > 0 and now - self._of(one).refused_at < held_s + self.after_s

    def _count(self, one: TrunkStatus, now: float) -> None:
        tries = self._of(one)
        if one.registration.state is RegistrationState.UNREGISTERED:
            self._tries[one.expected.trunk] = replace(tries, last=now)
            return
        # Beyond a few doublings the pause no longer grows, and the number need not either.
        doublings = tries.doublings if self._held_elsewhere(one, now) else min(tries.doublings + 1, 32)
        self._tries[one.expected.trunk] = replace(tries, last=now, doublings=doublings)


def _why(one: TrunkStatus) -> str:
    if one.registration.state is RegistrationState.UNREGISTERED:
        return "it was taken back, and PJSIP does not register again by itself"
    return "PJSIP has not tried it again for longer than its configuration lets it wait"


def _nothing_of_pjsip_to_lose(trunks: Iterable[TrunkStatus], may_shared: bool, unexpected: frozenset[str]) -> bool:
    """Whether all PJSIP registrations may be sent anew: what is held would be taken back first."""
    pjsip = [one for one in trunks if one.expected.channel == "pjsip"]
    allowed = may_shared or not any(one.expected.shared for one in pjsip)
    return (
        allowed
        and "pjsip" not in unexpected
        and all(one.registration.state is RegistrationState.UNREGISTERED for one in pjsip)
    )
