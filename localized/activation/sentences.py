"""An activation's outcome in words: what a person should know, one sentence each, and what to type next."""

from __future__ import annotations

import time
from collections.abc import Iterator

from localized.activation.outcome import ActivationOutcome, Missing, MissingTrunk
from localized.asterisk.refusals import words_of
from localized.checks.problem import Severity
from localized.role import Role

NOTHING_TO_DO = "nothing to do"


def notes(outcome: ActivationOutcome, now: float | None = None) -> list[str]:
    """What a person should know.

    Args:
        now: seconds since the epoch; None: the present.
    """
    return list(_notes(outcome, time.time() if now is None else now))


def _notes(outcome: ActivationOutcome, now: float) -> Iterator[str]:
    yield from (problem.text for problem in outcome.problems)
    yield from outcome.hosts
    if outcome.comparison is None:
        yield "Asterisk was not asked; it reads this generation when it starts."
    yield from outcome.not_reloaded
    if outcome.dialplan_role is not None:
        yield f"The dialplan still says HOTSTANDBY_ROLE={outcome.dialplan_role}: another file sets it."
    if outcome.unwanted:
        names = ", ".join(row.wanted.trunk for row in outcome.unwanted)
        yield f"{names} must not register as {outcome.role.value}, and Asterisk still lists it."
        if outcome.kept:
            yield f"Asterisk refused what was activated, and goes on with what it had: {words_of(outcome.kept)}."
    else:
        yield from (_missing(one, outcome.role, now) for one in outcome.missing)
        if outcome.refused_besides:
            yield (
                "Asterisk did not take everything, and goes on with what it had until it starts anew: "
                f"{words_of(outcome.refused_besides)}."
            )
        yield from _foreign(outcome)
    if outcome.restart:
        yield (
            "The external address of the PJSIP transports has changed, and transports do not reload. "
            "When no call is up: asterisk -rx 'core restart gracefully'"
        )


def _foreign(outcome: ActivationOutcome) -> Iterator[str]:
    names = ", ".join(str(one) for one in (outcome.comparison.foreign if outcome.comparison is not None else ()))
    if not names:
        return
    if outcome.role is Role.STANDBY:
        yield (
            f"Asterisk registers {names}, which pair.toml does not know, on a standby. Make it a trunk with "
            'account = "per-machine", or remove it.'
        )
    else:
        yield f"Not in pair.toml, and left alone: {names}."


def _missing(one: MissingTrunk, role: Role, now: float) -> str:
    trunk, host, refused = one.trunk, one.host, words_of(one.refusals)
    code = f" with {one.code}" if one.code else ""
    match one.why:
        case Missing.MODULE_NOT_LOADED:
            return f"{trunk}: Asterisk has not loaded the module that registers over {one.channel}: nothing is sent."
        case Missing.REFUSED_BY_ASTERISK:
            return f"{trunk}: Asterisk refused it, and sends nothing: {refused}."
        case Missing.NOT_READ:
            return (
                f"{trunk}: Asterisk lists no such registration, and sends nothing: it has not read it, or not where it "
                "looks. render-localized --check says where; Asterisk's log says what it refused."
            )
        case Missing.NO_ANSWER:
            return f"{trunk}: no answer from {host} yet. Asterisk goes on trying."
        case Missing.NO_CREDENTIALS:
            return (
                f"{trunk}: Asterisk did not load its credentials, so that the refusal of {host} says nothing of user "
                f"name and secret: {refused}."
            )
        case Missing.SECOND_REFUSED:
            until = time.strftime("%H:%M:%S", time.localtime(now + one.expiry_s))
            return (
                f"{trunk}: its carrier refuses a second registration{code} until {one.peer}'s binding ends, in at most "
                f"{one.expiry_s} s ({until}). ami-watcher tries again by itself."
            )
        case Missing.GIVEN_UP:
            return (
                f"{trunk}: the carrier refused it{code}, and chan_sip gives up after a refusal. ami-watcher "
                f"re-registers it; by hand: {_again(role)}"
            )
        case Missing.REFUSED:
            return f"{trunk}: the carrier refused it{code}. Asterisk goes on trying; look at its user name and secret."


def next_command(outcome: ActivationOutcome) -> str:
    """What to type next."""
    again = _again(outcome.role)
    if outcome.comparison is None:
        stopping = any(problem.severity is Severity.BLOCKER for problem in outcome.problems)
        first = "mend what is said above, " if stopping else ""
        return f"{first}start Asterisk, then: {again}"
    if outcome.unwanted:
        if outcome.kept:
            return f"mend that, then {again}; or end this Asterisk, with: failover demote"
        return f"render-localized --check, which says what registers it; then {again}"
    by_carrier = all(one.by_carrier for one in outcome.missing)
    if any(one.required for one in outcome.missing):
        first = "look at what the carrier says" if by_carrier else "mend what Asterisk did not load"
        return f"{first}, then {again} (or --rollback, where the peer serves)"
    if outcome.foreign_on_standby:
        return f"edit pair.toml or that registration, then {again}"
    if outcome.missing:
        if by_carrier:
            return f"{again}, which asks again where a carrier refused"
        return f"mend what Asterisk did not load, then {again}"
    return f"mend that, then {again}" if outcome.refused_matters else NOTHING_TO_DO


def _again(role: Role) -> str:
    return f"render-localized --role {role.value} --activate"
