"""A script run from a shell as Asterisk would run it, with the dialogue written down."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field, replace

from agi.fake_asterisk import FakeAsterisk, environment, serve_session
from agi.protocol.handshake import Handshake
from agi.script import Scripts, Services
from agi.server.standalone import run_session
from host.places import Places
from pair.model import Pair


@dataclass
class ScriptTrial:
    """What trial.

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


def try_script(
    places: Places,
    pair: Pair,
    script: str,
    arguments: tuple[str, ...],
    *,
    caller_number: str | None,
    caller_name: str | None,
    dialled: str,
    variables: dict[str, str],
) -> ScriptTrial:
    """Runs `script` against a fake Asterisk; everything else is the real thing.

    Raises:
        ScriptBroken: there is no such script, or it cannot be loaded.
        AgiError: see agi.protocol.errors.
    """
    scripts = Scripts(places.config / "agi")
    found = scripts[script]
    services = Services(places, pair)
    deadline_s = found.deadline_s or pair.agi.deadline_s
    fake = FakeAsterisk(dict(variables))
    trial = ScriptTrial(variables=fake.variables)
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
        trial.dialogue.append((command, reply))

    def asterisk() -> None:
        limit_s = deadline_s + pair.agi.environment_s + 5
        serve_session(their_read, their_write, first, fake.answer, deadline_s=limit_s, heard=note)
        os.close(their_write)

    def script_itself() -> None:
        handshake = Handshake(script=found.name, arguments=arguments)
        trial.ended_well = run_session(our_read, our_write, handshake, scripts, services, pair.agi)

    begun = time.monotonic()
    asterisk_end = threading.Thread(target=asterisk, name="asterisk", daemon=True)
    script_end = threading.Thread(target=script_itself, name="script", daemon=True)
    asterisk_end.start()
    script_end.start()
    # As the server does: a script that does not end by its deadline is left behind, and the call goes on.
    script_end.join(begun + deadline_s + 0.05 - time.monotonic())
    trial.seconds = time.monotonic() - begun
    if script_end.is_alive():
        return replace(trial, ended_well=False, dialogue=list(trial.dialogue), variables=dict(fake.variables))
    asterisk_end.join(timeout=5)
    services.close()
    os.close(their_read)
    return trial
