"""Two promotions at once, one on each machine: who claims what, and who has given way.

Before it asks the peer to demote, a promotion notes its epoch here (its claim), which counts while the promotion
runs: while its process holds the failover lock. A machine that is asked to demote gives way to a higher epoch, and to
the same one when the other machine is the preferred one; giving way is noted too (its promise), and from then on no
right of that epoch or a lower one is granted here. So of two promotions at most one ends with the right.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from host.atomic import own_directory, replace_file
from host.file_reading import MISREAD, read_json
from host.lock import holders
from host.places import Places
from pair.public_role import sane

_MOST_PROCESSES: Final = 2**22
"""The highest process id there is (proc(5), pid_max)."""
LOCK: Final = "failover.lock"
"""In the run directory: one promotion or demotion at a time on a machine."""


def claim_epoch(places: Places, epoch: int) -> None:
    """Notes that a promotion of this machine goes for `epoch`; it counts while the lock is held.

    Raises:
        OSError
    """
    _write(_claim_file(places), epoch)


def withdraw_claim(places: Places) -> None:
    """This machine is after no promotion any more.

    Raises:
        OSError
    """
    _claim_file(places).unlink(missing_ok=True)


def promise_epoch(places: Places, epoch: int) -> None:
    """Notes that this machine gave way to the peer's promotion `epoch`.

    Raises:
        OSError
    """
    _write(_promise_file(places), max(epoch, promised_epoch(places)))


def promised_epoch(places: Places) -> int:
    """The highest epoch that this machine gave way to since it started; 0 for none."""
    return _read(_promise_file(places))


def claimed_epoch(places: Places) -> int:
    """The epoch of a promotion that runs here and has not given way; 0 for none."""
    epoch = _read(_claim_file(places))
    process = _read(_claim_file(places), "pid")
    # A file that was damaged names no process, and a name of a thousand digits would be an error of its own.
    alive = 0 < process <= _MOST_PROCESSES and Path(f"/proc/{process}").exists()
    return epoch if epoch > promised_epoch(places) and alive and is_running(places) else 0


def gives_way(own: int, asked: int, *, peer_preferred: bool) -> bool:
    """Whether a machine that claims `own` demotes for the peer's promotion `asked`."""
    return asked > own or (asked == own and peer_preferred)


def is_running(places: Places) -> bool:
    """Whether a promotion or demotion runs here now: somebody holds the lock, as the kernel lists it (proc(5), locks).

    Trying the lock would tell as well, and would turn away who begins at that very moment.
    """
    return bool(holders(places.run / LOCK))


def _claim_file(places: Places) -> Path:
    return places.run / "claim.json"


def _promise_file(places: Places) -> Path:
    return places.run / "promise.json"


def _write(path: Path, epoch: int) -> None:
    own_directory(path.parent)
    replace_file(path, json.dumps({"epoch": epoch, "pid": os.getpid()}).encode() + b"\n")


def _read(path: Path, key: str = "epoch") -> int:
    try:
        found = max(0, int(read_json(path)[key]))
        return sane(found) if key == "epoch" else found
    except FileNotFoundError:
        return 0
    except (OSError, *MISREAD):
        return 0
