"""What `rndc` answers: the status of a zone, or why there is none. Bytes of BIND's in, values out; no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from host.command import Finished
from host.printable import printable


@dataclass(frozen=True, slots=True)
class ZoneStatus:
    """What the running named says of a zone (`rndc zonestatus`).

    Attributes:
        kind: primary, secondary, or another of its words; empty where it does not serve the zone.
        reason: its words, where it does not.
        files: the zone's file first, as named.conf writes it.
        dynamic: it takes UPDATEs; a journal beside a file says less: signing inline and ixfr-from-differences keep one.
        frozen: it takes none until `rndc thaw`.
        serial: that is served; 0 where it is not known.
        secure: it is signed.
        inline_signing: signatures stand beside the file, not in it.
        loaded: it answers from it; not so where it is secondary, and its copy has expired.
    """

    kind: str
    reason: str = ""
    files: tuple[str, ...] = ()
    dynamic: bool = False
    frozen: bool = False
    serial: int = 0
    secure: bool = False
    inline_signing: bool = False
    loaded: bool = True


class RndcFailure(Enum):
    """Why `rndc` did not do it, by the words that BIND has for it (bin/rndc, lib/isc/result.c)."""

    UNREACHABLE = "connect failed|connection to remote|no key definition"
    SEVERAL_VIEWS = "multiple"
    NO_SUCH_ZONE = "no matching|not found"
    NOT_LOADED = "not loaded"
    OTHER = ""

    @classmethod
    def of(cls, done: Finished) -> RndcFailure:
        """Which it is of a command that failed."""
        return next(failure for failure in cls if re.search(failure.value, done.stdout + done.stderr))


def read_zone_status(printed: str) -> ZoneStatus | None:
    """What `rndc zonestatus` printed of a zone that is served; None for anything else."""
    told = {name.strip(): value.strip() for name, colon, value in (one.partition(":") for one in printed.splitlines())}
    if "type" not in told:
        return None
    word = told["type"]
    return ZoneStatus(
        kind={"master": "primary", "slave": "secondary"}.get(word, word),
        files=tuple(told.get("files", "").split(", ")),
        dynamic=told.get("dynamic") == "yes",
        frozen=told.get("frozen") == "yes",
        serial=int(told.get("signed serial") or told.get("serial") or 0),
        secure=told.get("secure") == "yes",
        inline_signing=told.get("inline signing") == "yes",
    )


def reason_of(done: Finished) -> str:
    """The lines that name an error, or the last one done."""
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    words = "(?i)error|fail|not loaded|unknown|out of zone|no such|no matching|multiple|permission"
    blamed = [line for line in lines if re.search(words, line)]
    return printable("; ".join((blamed or lines[-1:])[:4]), 500) or f"exit {done.returncode}"
