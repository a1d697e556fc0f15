"""The right to be primary: handed over by `failover` in run/right.json, or a person's word about the peer.

It does not survive a reboot, and ends at its deadline on CLOCK_BOOTTIME, which goes on while the machine is
suspended and is not moved by NTP.
"""

from __future__ import annotations

import json
import os
import syslog
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from host.atomic import own_directory, replace_file
from host.clock import boot_id, boottime
from host.file_reading import MISREAD, from_json, read_file
from host.places import Places
from host.printable import printable
from localized.errors import NoRight


@dataclass(frozen=True, slots=True)
class Right:
    """What run/right.json says.

    Attributes:
        machine: who may be primary.
        epoch: grows with every promotion.
        boot_id: of the boot that it holds for.
        deadline_boottime: seconds on CLOCK_BOOTTIME; None where it has no end of its own.
        reason: why, for people.
    """

    machine: str
    epoch: int
    boot_id: str
    deadline_boottime: float | None
    reason: str


def why_not(right: Right, *, machine: str, boot: str, now: float) -> str | None:
    """Why a right does not hold; None when it does. `now` is seconds on CLOCK_BOOTTIME."""
    if right.machine != machine:
        return f"it is {printable(right.machine)}'s, not {machine}'s"
    if right.boot_id != boot:
        return "it is of an earlier boot of this machine"
    if right.deadline_boottime is not None and not now < right.deadline_boottime:
        return f"it ended {now - right.deadline_boottime:.0f} s ago"
    return None


def right_file(places: Places) -> Path:
    """Where failover puts the right."""
    return places.run / "right.json"


def word_file(places: Places) -> Path:
    """Where a person's word is kept until the next reboot, or until the machine becomes standby."""
    return places.run / "peer-is-down.json"


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


def prove(places: Places, machine: str) -> str:
    """The right that `machine` holds now, in words.

    Raises:
        NoRight: with what was found instead.
    """
    evidence = []
    for path in (right_file(places), word_file(places)):
        try:
            right = read_right(path)
        except ValueError as error:
            evidence.append(f"{error}.")
            continue
        if right is None:
            continue
        refused = why_not(right, machine=machine, boot=boot_id(), now=boottime())
        if refused is None:
            return right.reason
        evidence.append(f"There is a right in {path}, but {refused}.")
    said = " ".join(evidence) or f"There is no right in {right_file(places)}."
    raise NoRight(
        f"REFUSED: {machine} holds no right to be primary. {said} Its peer may hold the shared accounts, and two "
        "machines that register on one account take each other's calls.\nType one of:\n"
        "  failover promote\n"
        '  render-localized --role primary --activate --peer-is-down "what you know of it"'
    )


def give_word(places: Places, machine: str, reason: str) -> None:
    """Keeps a person's word that the peer is down: a right until reboot or standby.

    Raises:
        OSError
    """
    word = Right(machine, 0, boot_id(), None, f"a person's word: {printable(reason)}")
    own_directory(places.run)
    replace_file(word_file(places), json.dumps(asdict(word)).encode() + b"\n", mode=0o644)


def log_word(places: Places, machine: str, reason: str) -> None:
    """Writes down who said that the peer is down: into the system's log, and into the state directory for good.

    Raises:
        OSError
    """
    user = os.environ.get("SUDO_USER") or str(os.getuid())
    said = printable(reason)
    syslog.syslog(syslog.LOG_WARNING, f"render-localized: {machine} becomes primary; user {user} says: {said}")
    entry = {"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "machine": machine, "user": user, "reason": said}
    own_directory(places.state)
    descriptor = os.open(places.state / "peer-is-down.log", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "ab+") as log:
        # Behind a line that a killed process left unfinished, a new one begins all the same.
        if log.tell() and os.pread(log.fileno(), 1, log.tell() - 1) != b"\n":
            log.write(b"\n")
        log.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")


def withdraw_word(places: Places) -> None:
    """A machine that becomes standby needs a new word to become primary again."""
    word_file(places).unlink(missing_ok=True)
