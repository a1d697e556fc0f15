"""A pause: nothing changes who is primary by itself until it ends. A person still may.

It has a reason, and an end on CLOCK_BOOTTIME as well as on the wall: after a reboot the wall's counts, because a
pause that a reboot forgot would surprise whoever is working on the machine.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from failover.errors import FailoverError
from host import clock
from host.atomic import own_directory, replace_file
from host.errors import UsageError
from host.file_reading import MISREAD, read_json
from host.places import Places

LONGEST_S: Final = 7 * 86400.0
"""A pause that nobody remembers is worse than none."""

_PARTS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class PauseUnreadable(FailoverError):
    """The file of the pause cannot be read; it counts as a pause."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause as it was written.

    Attributes:
        reason: a person's words.
        until: UTC, ISO 8601.
        until_boottime: the same moment on CLOCK_BOOTTIME, seconds.
        boot_id: the boot in which that clock counts.
    """

    reason: str
    until: str
    until_boottime: float
    boot_id: str

    def left_s(self, *, boot: str, boottime: float, wall: datetime) -> float:
        """Seconds that it still lasts; not above 0 when it is over."""
        if boot == self.boot_id:
            return self.until_boottime - boottime
        return (datetime.fromisoformat(self.until) - wall).total_seconds()


def path(places: Places) -> Path:
    """Where it is kept, over a reboot."""
    return places.state / "pause.json"


def duration_s(text: str) -> float:
    """Seconds of "90m", "2h", "1h30m", "1d".

    Raises:
        UsageError
    """
    if not re.fullmatch(r"(\d{1,6}[smhd])+", text):
        raise UsageError(f"'{text}' is not a duration. Write it as 90m, 2h, 1h30m or 1d.")
    seconds = float(sum(int(number) * _PARTS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text)))
    if not 0 < seconds <= LONGEST_S:
        raise UsageError(f"'{text}' is not between a second and {LONGEST_S / 86400:.0f} days. Choose a shorter one.")
    return seconds


def begin(places: Places, reason: str, seconds: float) -> Pause:
    """Begins a pause, in place of any other.

    Raises:
        OSError
    """
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    pause = Pause(reason, until.isoformat(timespec="seconds"), clock.boottime() + seconds, clock.boot_id())
    own_directory(places.state)
    replace_file(path(places), json.dumps(asdict(pause)).encode() + b"\n")
    return pause


def end(places: Places) -> bool:
    """Ends it; whether there was one."""
    there = path(places).exists()
    path(places).unlink(missing_ok=True)
    return there


def read_pause(places: Places) -> tuple[Pause, float] | None:
    """The pause that holds now and the seconds that it still lasts; None when there is none.

    Raises:
        PauseUnreadable
    """
    try:
        found = read_json(path(places))
        pause = Pause(str(found["reason"]), str(found["until"]), float(found["until_boottime"]), str(found["boot_id"]))
        left = pause.left_s(boot=clock.boot_id(), boottime=clock.boottime(), wall=datetime.now(UTC))
    except FileNotFoundError:
        return None
    except (OSError, *MISREAD) as error:
        raise PauseUnreadable(
            f"{path(places)} cannot be read ({type(error).__name__}), so there may be a pause. "
            "End it with: failover unpause"
        ) from None
    return (pause, left) if left > 0 else None
