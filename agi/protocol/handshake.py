"""From the first byte of a session to the proof that its environment is the one that Asterisk printed. No I/O.

An empty line in the caller's number ends the environment early, and what Asterisk printed after it would be read as
replies to our commands. So the first command asks Asterisk to say a word that nobody can guess: whatever comes
between the environment and that word was not meant to be there. The command may be sent before the environment has
arrived: Asterisk reads nothing before it has printed everything (res/res_agi.c, run_agi).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Final

from agi.protocol.environment import LIMIT, Environment, anonymous, read_environment, with_script
from agi.protocol.errors import EnvironmentRefused

_SLACK = 4096


class Handshake:
    """One session's opening.

    Attributes:
        command: what to send first, at any time.
        rest: what arrived behind the proof; empty but for a HANGUP.
    """

    def __init__(self, *, script: str | None = None, arguments: tuple[str, ...] | None = None) -> None:
        """
        Args:
            script: the script's name where it is known from elsewhere than the environment.
            arguments: the arguments as the process got them, which no newline can forge; None on FastAGI.
        """
        word = secrets.token_hex(8).encode()
        self.command = b"GET FULL VARIABLE " + word + b"\n"
        self.rest = b""
        self._proof = b"200 result=1 (" + word + b")\n"
        self._script = script
        self._arguments = arguments
        self._buffer = b""
        self._asked = False

    @property
    def due(self) -> bool:
        """Whether the environment seems to have ended, and `command` has not been due before."""
        if self._asked or (b"\n\n" not in self._buffer and not self._buffer.startswith(b"\n")):
            return False
        self._asked = True
        return True

    @property
    def silent(self) -> bool:
        """Whether nothing at all has arrived: a port scan, or a health check."""
        return not self._buffer

    def feed(self, data: bytes) -> Environment | None:
        """Takes what was received; the environment once it is proven, None until then.

        Raises:
            EnvironmentRefused: more than 64 KiB without proof.
        """
        buffer = self._buffer = self._buffer + data if self._buffer else data
        at = buffer.find(self._proof)
        if at < 0:
            if len(buffer) > LIMIT + _SLACK:
                raise EnvironmentRefused(
                    f"More than {LIMIT // 1024} KiB came where an AGI environment belongs; the session was closed."
                )
            return None
        self.rest = buffer[at + len(self._proof) :]
        return self._environment(buffer[:at])

    def _environment(self, before: bytes) -> Environment:
        hangup = before.endswith(b"\nHANGUP\n")
        if hangup:
            # A caller who hangs up this early is announced before the proof, on FastAGI alone.
            before = before.removesuffix(b"HANGUP\n")
            self.rest = b"HANGUP\n" + self.rest
        environment = _of_process(before, self._arguments) if self._arguments is not None else _of_socket(before)
        return environment if self._script is None else with_script(environment, self._script)


def _of_process(before: bytes, arguments: tuple[str, ...]) -> Environment:
    """With the arguments as the process got them, it is known what Asterisk prints for them, line breaks included."""
    printed = b"".join(b"agi_arg_%d: %s\n" % (at, _bytes(one)) for at, one in enumerate(arguments, 1))
    if before.endswith(b"\n" + printed + b"\n"):
        found = read_environment(before.removesuffix(printed + b"\n"))
        if found.tampered is None and not found.arguments:
            return replace(found, arguments=arguments)
    found = _of_socket(before)
    if found.tampered is None:
        found = anonymous(found, "its arguments are not those that the process was started with")
    return found


def _of_socket(before: bytes) -> Environment:
    end = 0 if before.startswith(b"\n") else before.find(b"\n\n") + 1
    environment = read_environment(before[:end])
    after = before[end + 1 :]
    if not after:
        return environment
    if environment.tampered is None:
        # Asterisk prints arguments last. Where one ends with a newline, as ${SHELL()} and ${CURL()} give it, nothing
        # but empty lines and further arguments come behind the empty line: what a caller could have written is whole.
        whole = read_environment(before[:end] + _EMPTY.sub(b"", after))
        if whole.tampered is None and whole.arguments:
            return whole
    return anonymous(
        environment,
        "lines came after its end, before our first command was answered: a line break in the caller's number or name, "
        "or inside an argument (FILTER() it)",
    )


def _bytes(argument: str) -> bytes:
    return argument.encode("utf-8", "surrogateescape")


_EMPTY: Final = re.compile(rb"^\n+", re.MULTILINE)
