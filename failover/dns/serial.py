"""Serial numbers of zones: 32 bits, and later is not the same as greater (RFC 1982)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

_MODULUS: Final = 2**32
_HALF: Final = 2**31

TAKEOVER_JUMP: Final = 100_000
"""Added when a zone gets a new primary: more than the old one can count up by stray updates before it is found."""
SAME_DAY_JUMP: Final = 10
"""Instead of it, where the serial is a date of today: numbers of that day are left for whoever counts on by hand."""
NEAR: Final = 10_000_000
"""How much later than our own server's another one's serial may be to be believed on its word alone: ten years of date
serials, a hundred take-overs. Zones differ by some changes, not by half of all numbers."""


def later(one: int, other: int) -> bool:
    """Whether `one` is later than `other` (RFC 1982 §3.2).

    Numbers exactly 2**31 apart are comparable neither way; that is false both ways here.
    """
    return one != other and (one - other) % _MODULUS < _HALF


def plus(serial: int, by: int) -> int:
    """`serial` counted up (RFC 1982 §3.1); never 0, which some servers take for "unset".

    Raises:
        ValueError: `by` is more than secondaries would follow.
    """
    if not 0 < by < _HALF:
        raise ValueError(f"a serial can be raised by 1 to {_HALF - 1}, not by {by}")
    return (serial + by) % _MODULUS or 1


def latest(serials: Iterable[int]) -> int:
    """The latest of some serials that were seen, at least one.

    Where they lie more than 2**31 apart there is no latest; then the last of those that beat the one before is taken.
    """
    found: int | None = None
    for serial in serials:
        if found is None or later(serial, found):
            found = serial
    if found is None:
        raise ValueError("no serial was seen")
    return found


def believed(own: int, told: Mapping[str, Iterable[int]]) -> tuple[list[int], dict[str, int]]:
    """The serials that ours has to be later than, and the outliers.

    A serial near our own server's is believed, and one that is far where two servers tell such ones: a single answer
    over UDP, forged or wrong, must not decide where the zone's serial goes for ever.

    Args:
        own: what our own server has.
        told: server's name -> the serials that it tells at its addresses.

    Returns: serials, our own first; and of each server whose word is left out the serial.
    """
    near: list[int] = [own]
    far: dict[str, int] = {}
    for server, serials in told.items():
        for serial in serials:
            if (serial - own) % _MODULUS <= NEAR or later(own, serial):
                near.append(serial)
            else:
                far[server] = serial
    witnesses = {
        server: serial
        for server, serial in far.items()
        if any(other != server and _apart(serial, far[other]) <= NEAR for other in far)
    }
    return [*near, *witnesses.values()], {server: one for server, one in far.items() if server not in witnesses}


def _apart(one: int, other: int) -> int:
    return min((one - other) % _MODULUS, (other - one) % _MODULUS)


def raised(serial: int, *, takes_over: bool, now: datetime) -> int:
    """A serial that is later: by 1, or by a jump when the zone gets another primary.

    The jump fits what the serial means to whoever writes it. One that is a date (YYYYMMDDnn) or a time (Unix seconds)
    is raised to just before today, or now: their next one is later then. A jump by TAKEOVER_JUMP would give it the
    "month" 21, and every date serial of the months that follow would go backwards.

    Args:
        now: aware.
    """
    if not takes_over:
        return plus(serial, 1)
    if _year(serial) is not None:
        yesterday = _dated(now.date() - timedelta(days=1), 99)
        if yesterday > serial:
            return yesterday
        left = 99 - serial % 100
        return plus(serial, SAME_DAY_JUMP if left > 2 * SAME_DAY_JUMP else 1)
    if _is_unix_time(serial, now):
        return max(plus(serial, 1), int(now.timestamp()) - 1)
    return plus(serial, TAKEOVER_JUMP)


def runs_ahead(serial: int, now: datetime) -> str:
    """In words, that date serials are of no use for a while; empty where today's next one is later."""
    if _year(serial) is None or serial <= _dated(now.date(), 99):
        return ""
    return (
        f"the serial {serial} is later than any date serial of today: write {serial + 1} and not today's date into the "
        "zone, until the calendar has come so far"
    )


def _year(serial: int) -> int | None:
    """The year of a serial that is written as a date, YYYYMMDDnn, also where some jump has spoilt its month."""
    year = serial // 1_000_000
    return year if 1987 <= year < 2100 else None


def _dated(day: date, number: int) -> int:
    return ((day.year * 100 + day.month) * 100 + day.day) * 100 + number


def _is_unix_time(serial: int, now: datetime) -> bool:
    """RFC 1912 §2.2 knows dates; tools write seconds as well. No later than tomorrow, and not before 2001."""
    return datetime(2001, 9, 9, tzinfo=UTC).timestamp() <= serial <= now.timestamp() + 86_400
