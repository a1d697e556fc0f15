"""The right to be primary: one value, read here alone by whoever acts on it.

`failover` gives it in run/right.json; a person's word about the peer is the same value in run/peer-is-down.json. The
run directory is emptied by a reboot, and the value names the boot that it was given in. It ends at its deadline on
CLOCK_BOOTTIME, which goes on while the machine is suspended and is not moved by NTP.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from host.atomic import own_directory, replace_file
from host.file_reading import MISREAD, from_json, read_file
from host.places import Places
from host.printable import printable
from pair.public_role import sane


@dataclass(frozen=True, slots=True)
class Right:
    """What the file says.

    Attributes:
        machine: who may be primary.
        epoch: number of the promotion that gave it, growing with each; 0 for a person's word.
        boot_id: of the boot that it holds for.
        deadline_boottime: seconds on CLOCK_BOOTTIME; None where it has no end of its own.
        reason: why, for people.
    """

    machine: str
    epoch: int
    boot_id: str
    deadline_boottime: float | None
    reason: str


class Invalid(Enum):
    """Why what is in a file gives no right now."""

    UNREADABLE = "unreadable"
    OTHER_MACHINE = "another machine's"
    EARLIER_BOOT = "of an earlier boot"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class InvalidRight:
    """A file that gives no right now.

    Attributes:
        path: of the file.
        reason: why.
        words: the same, for people.
    """

    path: Path
    reason: Invalid
    words: str


@dataclass(frozen=True, slots=True)
class CurrentRight:
    """What a machine holds now.

    Attributes:
        right: None where it holds none.
        invalid: the files that give none, in the order in which they were read.
    """

    right: Right | None
    invalid: tuple[InvalidRight, ...]

    @property
    def epoch(self) -> int:
        """Number of the promotion that gave it, as far as numbers are believed; 0 for none and for a person's word."""
        return sane(self.right.epoch) if self.right is not None else 0


def right_file(places: Places) -> Path:
    """Where failover puts the right."""
    return places.run / "right.json"


def word_file(places: Places) -> Path:
    """Where a person's word is kept until the next reboot, or until the machine becomes standby."""
    return places.run / "peer-is-down.json"


def why_invalid(right: Right, *, machine: str, boot: str, now: float) -> tuple[Invalid, str] | None:
    """Why a right does not hold, as a value and in words; None when it does.

    Args:
        boot: boot id of this boot.
        now: seconds on CLOCK_BOOTTIME.
    """
    if right.machine != machine:
        return Invalid.OTHER_MACHINE, f"it is {printable(right.machine)}'s, not {machine}'s"
    if right.boot_id != boot:
        return Invalid.EARLIER_BOOT, "it is of an earlier boot of this machine"
    if right.deadline_boottime is not None and not now < right.deadline_boottime:
        return Invalid.ENDED, f"it ended {now - right.deadline_boottime:.0f} s ago"
    return None


def current_right(places: Places, machine: str, *, boot: str, now: float) -> CurrentRight:
    """What `machine`, being this one, holds now. What cannot be read is no right.

    Args:
        boot: boot id of this boot.
        now: seconds on CLOCK_BOOTTIME.
    """
    invalid: list[InvalidRight] = []
    for path in (right_file(places), word_file(places)):
        try:
            right = read_right(path)
        except ValueError as error:
            invalid.append(InvalidRight(path, Invalid.UNREADABLE, str(error)))
            continue
        if right is None:
            continue
        why = why_invalid(right, machine=machine, boot=boot, now=now)
        if why is None:
            return CurrentRight(right, tuple(invalid))
        invalid.append(InvalidRight(path, *why))
    return CurrentRight(None, tuple(invalid))


def read_right(path: Path) -> Right | None:
    """The right in a file, None where there is none.

    Raises:
        ValueError: what is there is not a right.
    """
    try:
        data = read_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    try:
        found = from_json(data)
        deadline = found["deadline_boottime"]
        return Right(
            machine=str(found["machine"]),
            epoch=int(found["epoch"]),
            boot_id=str(found["boot_id"]),
            deadline_boottime=None if deadline is None else float(deadline),
            reason=str(found["reason"]),
        )
    except MISREAD:
        raise ValueError(f"{path} does not hold a right") from None


def write_right(path: Path, right: Right) -> None:
    """Puts a right into a file, for every user to read.

    Raises:
        OSError
    """
    own_directory(path.parent)
    replace_file(path, json.dumps(asdict(right)).encode() + b"\n", mode=0o644)


def withdraw_word(places: Places) -> None:
    """A machine that becomes standby needs a new word to become primary again."""
    word_file(places).unlink(missing_ok=True)
