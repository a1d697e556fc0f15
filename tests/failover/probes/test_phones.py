"""Who is not back: in one line, with what they wait for."""

from __future__ import annotations

import pytest

from ami_watcher.phones.inventory import MissingContact
from failover.probes.phones import PhoneComparison


def phone(name: str, expires_at: float | None) -> MissingContact:
    return MissingContact(name, "pjsip", "10.0.0.5:5060", "Desk phone", 990.0, expires_at)


@pytest.mark.parametrize(
    ("missing", "still_there", "sentence"),
    [
        ((), 0, "phones: 3 of the 5 that boston listed 40 s ago are here"),
        ((), 2, "phones: 3 of the 5 that boston listed 40 s ago are here, 2 still at boston"),
        (
            (phone("101", 1060.0), phone("102", 1300.0)),
            0,
            "phones: 2 of the 5 that boston listed 40 s ago are not back, the last must register by itself within "
            "5 min. See who with: failover clients",
        ),
        (
            (phone("101", None),),  # chan_sip does not say when
            0,
            "phones: 1 of the 5 that boston listed 40 s ago are not back. See who with: failover clients",
        ),
    ],
)
def test_one_line_says_it(missing: tuple[MissingContact, ...], still_there: int, sentence: str) -> None:
    found = PhoneComparison("dallas", "boston", 960.0, 5, 3, still_there, missing, 1000.0)
    assert found.sentence == sentence


def test_a_phone_that_is_overdue_is_not_waited_for_into_the_past() -> None:
    assert PhoneComparison("dallas", "boston", 960.0, 1, 0, 0, (phone("101", 900.0),), 1000.0).longest_s == 0.0
