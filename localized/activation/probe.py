"""Asterisk proven able before an activation: it answers on both of its sides, and has the modules that a role needs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from host.places import Places
from localized.activation.registration_wait import RegistrationWait
from localized.asterisk.log import AsteriskLog
from localized.role import Role
from pair import Pair

FRESH_S: Final = 15.0
"""Seconds for which a probe counts: a demotion takes one or two, and callers wait when it is over."""


@dataclass(frozen=True, slots=True)
class AsteriskProbe:
    """Asterisk as it was seen.

    Attributes:
        role: the role whose modules it has.
        wait: what has read its lists.
        log: where it writes, from then on.
        at: when, seconds on the monotonic clock.
    """

    role: Role
    wait: RegistrationWait
    log: AsteriskLog
    at: float

    def fresh(self, role: Role) -> bool:
        """Whether an activation of a role may go by it."""
        return role is self.role and time.monotonic() - self.at < FRESH_S


def probe_asterisk(places: Places, pair: Pair, machine: str, role: Role) -> AsteriskProbe:
    """Asks Asterisk whether it answers and has what the role needs, and where it writes its log.

    Raises:
        AsteriskUnreachable, SecretUnusable
    """
    at = time.monotonic()
    wait = RegistrationWait(places, pair, machine, role)
    wait.read_before()
    return AsteriskProbe(role, wait, AsteriskLog(wait.asterisk), at)
