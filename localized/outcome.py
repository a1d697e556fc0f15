"""What an activation came to: exit code, what a person should know, and what to type next. Rules only."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from host.exits import Exit
from localized.compare import Comparison
from localized.role import Role
from pair import Pair


@dataclass(slots=True)
class Outcome:
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


def judge(outcome: Outcome, found: Comparison, pair: Pair) -> None:
    """Adds to `outcome` its exit code, notes and the next command, from what Asterisk's lists showed."""
    outcome.comparison = found
    again = f"render-localized --role {outcome.role.value} --activate"
    if found.unwanted:
        names = ", ".join(row.wanted.trunk for row in found.unwanted)
        outcome.exit = Exit.FAILED
        outcome.notes.append(f"{names} must not register as {outcome.role.value}, and Asterisk still lists it.")
        outcome.next = f"render-localized --check, which says what registers it; then {again}"
        return
    required = [row.wanted.trunk for row in found.missing if row.wanted.required]
    for row in found.missing:
        outcome.notes.append(_what_will_happen(pair, outcome, row.wanted.trunk, refused=row.refused))
    if required:
        outcome.exit = Exit.FAILED
        outcome.next = f"look at what the carrier says, then {again} (or --rollback, where the peer serves)"
    elif found.missing:
        outcome.exit = Exit.DEGRADED
        outcome.next = f"{again}, which asks again where a carrier refused"
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


def _what_will_happen(pair: Pair, outcome: Outcome, trunk: str, *, refused: bool) -> str:
    machine = outcome.machine
    key = pair.trunk_on(trunk, machine)
    if key.second_registration == "refused":
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + key.expiry_s))
        return (
            f"{trunk}: its carrier refuses a second registration until {pair.peer_of(machine)}'s binding ends, "
            f"in at most {key.expiry_s} s ({until}). ami-watcher tries again by itself."
        )
    if refused and key.channel == "sip":
        return (
            f"{trunk}: the carrier refused it, and chan_sip gives up after a refusal. ami-watcher kicks it again; "
            f"by hand: render-localized --role {outcome.role.value} --activate"
        )
    if refused:
        return f"{trunk}: the carrier refused it. Asterisk goes on trying; look at its user name and secret."
    return f"{trunk}: no answer from {key.host} yet. Asterisk goes on trying."
