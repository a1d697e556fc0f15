"""What a primary must hold before it may register: proven just before each swap, or given by a person's word."""

from __future__ import annotations

import json
import os
import syslog
import time

from host.atomic import own_directory
from host.clock import boot_id, boottime
from host.places import Places
from host.printable import printable
from localized.errors import NoRight
from pair.right import Invalid, InvalidRight, Right, current_right, right_file, word_file, write_right


def prove(places: Places, machine: str) -> str:
    """The right that `machine` holds now, in words.

    Raises:
        NoRight: with what was found instead.
    """
    held = current_right(places, machine, boot=boot_id(), now=boottime())
    if held.right is not None:
        return held.right.reason
    evidence = " ".join(_sentence(one) for one in held.invalid) or f"There is no right in {right_file(places)}."
    raise NoRight(
        f"REFUSED: {machine} holds no right to be primary. {evidence} Its peer may hold the shared accounts, and two "
        "machines that register on one account take each other's calls.\nType one of:\n"
        "  failover promote\n"
        '  render-localized --role primary --activate --peer-is-down "what you know of it"'
    )


def _sentence(invalid: InvalidRight) -> str:
    if invalid.reason is Invalid.UNREADABLE:
        return f"{invalid.words}."
    return f"There is a right in {invalid.path}, but {invalid.words}."


def give_word(places: Places, machine: str, reason: str) -> None:
    """Keeps a person's word that the peer is down: a right until reboot or standby.

    Raises:
        OSError
    """
    write_right(word_file(places), Right(machine, 0, boot_id(), None, f"a person's word: {printable(reason)}"))


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
