"""Serial numbers of zones: 32 bits, and later is not the same as greater (RFC 1982)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
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

_WEST: Final = timedelta(hours=12)
_EAST: Final = timedelta(hours=14)
"""How far local times lie behind UTC and before it."""


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

    The jump fits what the serial means to whoever writes it. One that is a date or a time is raised to one that is over
    wherever they live: their next one is later then. A jump by TAKEOVER_JUMP would give YYYYMMDDnn the "month" 21, and
    every date serial of the months that follow would go backwards.

    Args:
        now: aware.
    """
    if not takes_over:
        return plus(serial, 1)
    if _year(serial) is not None:
        left = 99 - serial % 100
        least = SAME_DAY_JUMP if left > 2 * SAME_DAY_JUMP else 1
        return max(_dated(now - _WEST - timedelta(days=1)), plus(serial, least))
    before = next((before for written, before in _clocks(now) if written(serial)), None)
    return plus(serial, TAKEOVER_JUMP) if before is None else max(before, plus(serial, 1))


def runs_ahead(serial: int, now: datetime) -> str:
    """In words, that date serials are of no use for a while; empty where today's next one is later."""
    if _year(serial) is None or serial <= _dated(now + _EAST):
        return ""
    return (
        f"the serial {serial} is later than any date serial of today: write {serial + 1} and not today's date into the "
        "zone, until the calendar has come so far"
    )


def _year(serial: int) -> int | None:
    """The year of a serial that is written as a date, YYYYMMDDnn, also where some jump has spoilt its month."""
    year = serial // 1_000_000
    return year if 1987 <= year < 2100 else None


def _clocks(now: datetime) -> Iterator[tuple[Callable[[int], bool], int]]:
    """Other times that tools write as serials: how each is known, and the last one that is surely over."""
    start = datetime(2001, 9, 9, tzinfo=UTC).timestamp()
    yield lambda serial: start <= serial <= now.timestamp() + 86_400, int(now.timestamp()) - 1
    units = {"%Y%m%d": timedelta(days=1), "%y%m%d%H": timedelta(hours=1), "%y%m%d%H%M": timedelta(minutes=1)}
    for form, unit in units.items():
        yield partial(_is_written, form, now), int((now - _WEST - unit).strftime(form))


def _is_written(form: str, now: datetime, serial: int) -> bool:
    try:
        when = datetime.strptime(str(serial), form).replace(tzinfo=UTC)
    except ValueError:
        return False
    return len(str(serial)) == len(now.strftime(form)) and abs(when - now) < timedelta(days=3660)


def _dated(day: datetime) -> int:
    """The last date serial of a day."""
    return int(f"{day:%Y%m%d}99")
