"""Asterisk's words for the state of a registration, and what each means. The one table of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RegistrationState(StrEnum):
    """What a person needs to know about one registration."""

    REGISTERED = "registered"
    REGISTERING = "registering"
    REJECTED = "rejected"
    UNREGISTERED = "unregistered"
    GONE = "gone"
    """Expected, and Asterisk does not list it."""
    UNEXPECTED = "unexpected"
    """Listed, and not expected here: on a standby it takes the calls away from the primary."""
    UNKNOWN = "unknown"
    """The link is lost, or the last proof is too old, or Asterisk used a word that we do not know."""


STANDBY: Final = "standby"
"""State of a trunk that this machine must not hold, and does not."""


def is_held_here(state: str) -> bool:
    """Whether this machine should hold a trunk of this state: not one of the other's, and not a stray one."""
    return state not in (STANDBY, RegistrationState.UNEXPECTED)


MEANING: Final[Mapping[str, RegistrationState]] = {
    "Registered": RegistrationState.REGISTERED,
    "Request Sent": RegistrationState.REGISTERING,
    "Auth. Sent": RegistrationState.REGISTERING,
    "Rejected": RegistrationState.REJECTED,
    "No Authentication": RegistrationState.REJECTED,
    "Failed": RegistrationState.REJECTED,
    "Unregistered": RegistrationState.UNREGISTERED,
    "Timeout": RegistrationState.UNREGISTERED,
}
"""chan_sip regstatestrings, chan_iax2 regstate2str, res_pjsip_outbound_registration; a word that is not here is never
taken for success."""

CAUSES: Final[Mapping[tuple[str, str], str]] = {
    ("sip", "No Authentication"): "the carrier forbade it (403), and Asterisk does not try again by itself",
    ("sip", "Rejected"): "the carrier refused it (400, 404 or the like), and Asterisk does not try again by itself",
    ("sip", "Failed"): "registerattempts are used up, and Asterisk does not try again by itself",
    ("sip", "Unregistered"): "not tried yet, or its registrar cannot be found",
    ("iax2", "Timeout"): "the carrier does not answer",
    ("iax2", "No Authentication"): "the carrier wants a secret and none is configured",
    ("iax2", "Rejected"): "the carrier refused it",
    ("pjsip", "Rejected"): "the carrier refused it or did not answer",
}
"""What a channel's word says about why, where it says more than its name."""


def meaning_of(word: str) -> RegistrationState:
    """What Asterisk's `word` means, in the list of any channel."""
    return MEANING.get(word, RegistrationState.UNKNOWN)


def gives_up(channel: str, word: str) -> bool:
    """Whether the channel's driver never tries again by itself from that state.

    chan_sip does not after a refusal (handle_response_register, 16 to 20), chan_iax2 always does. PJSIP's "Rejected"
    may be either: it is the same word for both (res_pjsip_outbound_registration.c).
    """
    return channel == "sip" and meaning_of(word) is RegistrationState.REJECTED
