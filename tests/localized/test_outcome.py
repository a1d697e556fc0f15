"""Exit code, notes and the next command, from what Asterisk's lists showed."""

from __future__ import annotations

import pytest

from ami_watcher.expected import wanted
from ami_watcher.lists import Listed, Lists
from host.exits import Exit
from localized.compare import compare
from localized.outcome import Outcome, judge
from localized.role import Role
from tests.localized.example import example

ALL = frozenset({"sip", "iax2", "pjsip"})


def acme(state: str = "Registered") -> Listed:
    return Listed("sip", None, "5551000", "sip.acme.example", 5060, state)


def metro(state: str = "Registered") -> Listed:
    return Listed("iax2", None, "metro1", "192.0.2.9", 4570, state)


def nova(state: str = "Registered") -> Listed:
    return Listed("pjsip", "nova", "nova", "sip.nova.example", None, state)


OTHER = Listed("sip", None, "stranger", "h.example", 5060, "Registered")


def judged(role: Role, *listed: Listed) -> Outcome:
    pair = example()
    trunks = wanted(pair, "boston", "primary" if role is Role.PRIMARY else "standby")
    outcome = Outcome(role, "boston", "7-test-000000000000")
    judge(outcome, compare(trunks, Lists(listed, ALL)), pair)
    return outcome


@pytest.mark.parametrize(
    ("role", "listed", "code", "note"),
    [
        (Role.PRIMARY, (acme(), metro(), nova()), Exit.DONE, None),
        (Role.PRIMARY, (acme("Request Sent"), metro(), nova()), Exit.FAILED, "acme: no answer from sip.acme.example"),
        (Role.PRIMARY, (acme("Rejected"), metro(), nova()), Exit.FAILED, "chan_sip gives up after a refusal"),
        (Role.PRIMARY, (acme(), nova()), Exit.DEGRADED, "metro: no answer"),
        (Role.PRIMARY, (acme(), metro(), nova("Rejected")), Exit.DEGRADED, "dallas's binding ends, in at most 300 s"),
        (Role.PRIMARY, (acme(), metro(), nova(), OTHER), Exit.DONE, "Not in pair.toml, and left alone: stranger"),
        (Role.STANDBY, (metro(),), Exit.DONE, None),
        (Role.STANDBY, (metro(), acme("Request Sent")), Exit.FAILED, "acme must not register as standby"),
        (Role.STANDBY, (metro(), OTHER), Exit.DEGRADED, "stranger@h.example, which pair.toml does not know"),
        (Role.STANDBY, (), Exit.DEGRADED, "metro: no answer"),
    ],
)
def test_what_was_listed_decides(role: Role, listed: tuple[Listed, ...], code: Exit, note: str | None) -> None:
    outcome = judged(role, *listed)
    assert outcome.exit is code
    assert (note in " ".join(outcome.notes)) if note else outcome.notes == []
    assert (outcome.next == "nothing to do") is (code is Exit.DONE)
