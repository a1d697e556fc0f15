"""What an activation came to: exit code, what a person should know, and what to type next. Rules only."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from host.exits import Exit
from localized.activation.comparison import Comparison, TrunkComparison
from localized.asterisk.refusals import ConfigRefusal, LogFindings, words_of
from localized.role import Role
from pair import Pair


@dataclass(slots=True)
class ActivationOutcome:
    """What an activation came to.

    Attributes:
        exit: exit code.
        role, machine, generation: what is active now.
        comparison: expected registrations and found ones; None where Asterisk was not asked.
        reloaded: modules that were asked to reload.
        asked_again: trunks that their carrier had refused before, and was asked for again.
        notes: what a person should know, one sentence each.
        next: what to type next.
        seconds: from the swap to the end.
    """

    role: Role
    machine: str
    generation: str
    exit: Exit = Exit.DONE
    comparison: Comparison | None = None
    reloaded: list[str] = field(default_factory=list)
    asked_again: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    next: str = "nothing to do"
    seconds: float = 0.0


_WRONG_ACCOUNT: Final = frozenset({"400", "401", "404", "407", "414", "493", "No authority found"})
"""Answers that say nothing of another machine's binding."""


def judge(outcome: ActivationOutcome, found: Comparison, pair: Pair, said: LogFindings = LogFindings()) -> None:  # noqa: B008 - frozen
    """Adds to `outcome` its exit code, notes and the next command.

    Args:
        found: what Asterisk's lists showed.
        said: what its log said meanwhile.
    """
    outcome.comparison = found
    again = f"render-localized --role {outcome.role.value} --activate"
    if found.unwanted:
        names = ", ".join(row.wanted.trunk for row in found.unwanted)
        outcome.exit = Exit.FAILED
        outcome.notes.append(f"{names} must not register as {outcome.role.value}, and Asterisk still lists it.")
        outcome.next = f"render-localized --check, which says what registers it; then {again}"
        if kept := [one for row in found.unwanted for one in said.keeping(row.wanted.channel)]:
            outcome.notes.append(
                f"Asterisk refused what was activated, and goes on with what it had: {words_of(tuple(kept))}."
            )
            outcome.next = f"mend that, then {again}; or end this Asterisk, with: failover demote"
        return
    required = [row.wanted.trunk for row in found.missing if row.wanted.required]
    for row in found.missing:
        outcome.notes.append(_what_will_happen(pair, outcome, row, said))
    by_carrier = all(row.found and not said.about(row.wanted.trunk, row.wanted.channel) for row in found.missing)
    if required:
        outcome.exit = Exit.FAILED
        first = "look at what the carrier says" if by_carrier else "mend what Asterisk did not load"
        outcome.next = f"{first}, then {again} (or --rollback, where the peer serves)"
    elif found.missing:
        outcome.exit = Exit.DEGRADED
        outcome.next = (
            f"{again}, which asks again where a carrier refused"
            if by_carrier
            else f"mend what Asterisk did not load, then {again}"
        )
    _refused_besides(outcome, found, said, again)
    if found.foreign and outcome.role is Role.STANDBY:
        names = ", ".join(str(one) for one in found.foreign)
        outcome.notes.append(
            f"Asterisk registers {names}, which pair.toml does not know, on a standby. Make it a trunk with "
            'account = "per-machine", or remove it.'
        )
        if outcome.exit is not Exit.FAILED:
            outcome.exit = Exit.DEGRADED
            outcome.next = f"edit pair.toml or that registration, then {again}"
    elif found.foreign:
        outcome.notes.append(f"Not in pair.toml, and left alone: {', '.join(str(one) for one in found.foreign)}.")


def _refused_besides(outcome: ActivationOutcome, found: Comparison, said: LogFindings, again: str) -> None:
    """What Asterisk refused although every list is as it should be: it shows when it starts anew."""
    told = {one for row in found.missing for one in said.about(row.wanted.trunk, row.wanted.channel)}
    others = tuple(one for one in said.refusals if one not in told)
    if not others:
        return
    outcome.notes.append(
        f"Asterisk did not take everything, and goes on with what it had until it starts anew: {words_of(others)}."
    )
    wanted = [row.wanted for row in found.rows]
    if any(one.whole or one.concerns(each.trunk, each.channel) for one in others for each in wanted):
        outcome.exit = Exit.DEGRADED if outcome.exit is Exit.DONE else outcome.exit
        outcome.next = f"mend that, then {again}" if outcome.next == "nothing to do" else outcome.next


def _what_will_happen(pair: Pair, outcome: ActivationOutcome, row: TrunkComparison, said: LogFindings) -> str:
    trunk, channel = row.wanted.trunk, row.wanted.channel
    key = pair.trunk_on(trunk, outcome.machine)
    why = said.about(trunk, channel)
    if not row.found:
        return _not_loaded(row, why)
    answers = [answer for one in row.found if (answer := said.answer_to(one)) is not None]
    code = answers[-1].code if answers else ""
    if not code and (answers or not row.refused):
        return f"{trunk}: no answer from {key.host} yet. Asterisk goes on trying."
    if why:
        return (
            f"{trunk}: Asterisk did not load its credentials, so that the refusal of {key.host} says nothing of user "
            f"name and secret: {words_of(why)}."
        )
    with_code = f" with {code}" if code else ""
    if key.second_registration == "refused" and code not in _WRONG_ACCOUNT:
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + key.expiry_s))
        return (
            f"{trunk}: its carrier refuses a second registration{with_code} until {pair.peer_of(outcome.machine)}'s "
            f"binding ends, in at most {key.expiry_s} s ({until}). ami-watcher tries again by itself."
        )
    if channel == "sip" and row.refused:
        return (
            f"{trunk}: the carrier refused it{with_code}, and chan_sip gives up after a refusal. ami-watcher kicks it "
            f"again; by hand: render-localized --role {outcome.role.value} --activate"
        )
    return f"{trunk}: the carrier refused it{with_code}. Asterisk goes on trying; look at its user name and secret."


def _not_loaded(row: TrunkComparison, why: tuple[ConfigRefusal, ...]) -> str:
    trunk = row.wanted.trunk
    if not row.loaded:
        return f"{trunk}: Asterisk has not loaded the module that registers over {row.wanted.channel}: nothing is sent."
    if why:
        return f"{trunk}: Asterisk refused it, and sends nothing: {words_of(why)}."
    return (
        f"{trunk}: Asterisk lists no such registration, and sends nothing: it has not read it, or not where it looks. "
        "render-localized --check says where; Asterisk's log says what it refused."
    )
