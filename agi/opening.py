"""From the first byte of a session to the proof that its environment is the one that Asterisk printed. No I/O.

An empty line in the caller's number ends the environment early, and what Asterisk printed after it would be read as
replies to our commands. So the first command asks Asterisk to say a word that nobody can guess: whatever comes
between the environment and that word was not meant to be there. The command may be sent before the environment has
arrived: Asterisk reads nothing before it has printed everything (res/res_agi.c, run_agi).
"""

from __future__ import annotations

import secrets

from agi.environment import LIMIT, Environment, anonymous, read_environment, with_script
from agi.errors import EnvironmentRefused

_SLACK = 4096


class Opening:
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
        end = 0 if before.startswith(b"\n") else before.find(b"\n\n") + 1
        environment = read_environment(before[:end])
        after = before[end + 1 :]
        # A caller who hangs up this early is announced before the proof, on FastAGI alone.
        if after and after != b"HANGUP\n":
            environment = anonymous(environment, "lines came after its end, before our first command was answered")
        elif self._arguments is not None and environment.arguments != self._arguments and environment.tampered is None:
            environment = anonymous(environment, "its arguments are not those that the process was started with")
        if after == b"HANGUP\n":
            self.rest = after + self.rest
        return environment if self._script is None else with_script(environment, self._script)
