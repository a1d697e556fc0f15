"""A script run from a shell as Asterisk would run it, with the dialogue written down."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

from agi.one_process import converse
from agi.opening import Opening
from agi.script import Scripts, Services
from agi.stand_in import StandIn, environment
from agi.stand_in import converse as stand_in_converse
from host.places import Places
from pair.model import Pair


@dataclass
class Rehearsal:
    """What happened.

    Attributes:
        dialogue: each command with its reply.
        variables: of the channel at the end.
        ended_well: whether the script ended by itself.
        seconds: how long the call was held.
    """

    dialogue: list[tuple[str, str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    ended_well: bool = False
    seconds: float = 0.0


def rehearse(
    places: Places,
    pair: Pair,
    script: str,
    arguments: tuple[str, ...],
    *,
    caller_number: str | None,
    caller_name: str | None,
    dialled: str,
    variables: dict[str, str],
) -> Rehearsal:
    """Runs `script` against a stand-in for Asterisk; everything else is the real thing.

    Raises:
        ScriptBroken: there is no such script, or it cannot be loaded.
        AgiError: see agi.errors.
    """
    scripts = Scripts(places.config / "agi")
    found = scripts[script]
    services = Services(places, pair)
    far = StandIn(dict(variables))
    happened = Rehearsal(variables=far.variables)
    first = environment(
        found.name,
        arguments,
        caller_number=caller_number or "unknown",
        caller_name=caller_name or "unknown",
        dialled=dialled,
    )
    their_read, our_write = os.pipe()
    our_read, their_write = os.pipe()

    def note(command: str, reply: str) -> None:
        happened.dialogue.append((command, reply))

    def asterisk() -> None:
        limit_s = (found.deadline_s or pair.agi.deadline_s) + pair.agi.environment_s + 5
        stand_in_converse(their_read, their_write, first, far.answer, deadline_s=limit_s, heard=note)
        os.close(their_write)

    begun = time.monotonic()
    thread = threading.Thread(target=asterisk, name="asterisk", daemon=True)
    thread.start()
    try:
        opening = Opening(script=found.name, arguments=arguments)
        happened.ended_well = converse(our_read, our_write, opening, scripts, services, pair.agi)
    finally:
        thread.join(timeout=5)
        services.close()
        happened.seconds = time.monotonic() - begun
        os.close(their_read)
    return happened
