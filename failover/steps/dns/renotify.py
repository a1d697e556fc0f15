"""Goes on telling secondaries that lag, after the command that changed the zone has ended.

A BIND that is asking a dead primary forgets the NOTIFYs that come meanwhile, and would then keep the old zone until its
own next refresh: hours, perhaps. All this sends is NOTIFY, a hint, with what our own server says in that moment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from failover.name_servers.agreement import Server
from failover.name_servers.tsig_key import TsigKey
from failover.name_servers.wire import Line, ask, ask_all, notify_all
from failover.steps.dns.lag import STUCK_S, TELL_EVERY_S, behind
from host.file_reading import from_json

LASTS_S: Final = 2.0 * STUCK_S
"""Seconds: longer than a BIND asks a dead primary, also where transfers of several zones wait for each other."""
_SILENT_ROUNDS: Final = 3
"""Rounds without an answer of our own server, after which there is nothing to tell of."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a reminder needs to know.

    Attributes:
        zone: without the final dot.
        own: our own server.
        line: how servers are reached.
        whom: those that lag.
        key: signs NOTIFY, where secondaries want it.
    """

    zone: str
    own: Server
    line: Line
    whom: tuple[Server, ...]
    key: TsigKey | None = None


def start(errand: Errand) -> None:
    """Starts a process that tells them and outlives this one, with no terminal and no files of ours open.

    The errand goes through a pipe: a key must not stand in an argument list.

    Raises:
        OSError: it could not be started.
    """
    process = subprocess.Popen(
        # Isolated: neither the working directory nor the environment says what is imported.
        [sys.executable, "-I", "-m", "failover.steps.dns.renotify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(written(errand))


def written(errand: Errand) -> bytes:
    """The errand for the pipe."""
    return json.dumps(asdict(errand)).encode()


def read(data: bytes) -> Errand:
    """The errand from the pipe."""
    said = from_json(data)
    return Errand(
        said["zone"],
        Server(**said["own"]),
        Line(**said["line"]),
        tuple(Server(**each) for each in said["whom"]),
        TsigKey(**said["key"]) if said["key"] else None,
    )


def carry_out(errand: Errand) -> Sequence[Server]:
    """Tells them until none is behind, our own server is gone, or LASTS_S are over; returns who is still behind."""
    until = time.monotonic() + LASTS_S
    left: Sequence[Server] = errand.whom
    silent = 0
    while left and silent < _SILENT_ROUNDS and time.monotonic() < until:
        own = ask(errand.own, errand.zone, (), errand.line)
        silent = silent + 1 if own.failure else 0
        if not own.failure:
            heard = ask_all(left, errand.zone, (), errand.line)
            left = [seen.server for seen in heard if seen.silent or behind(seen, own.serial)]
            notify_all(left, errand.zone, own.soa, errand.line, errand.key)
        if left:
            time.sleep(TELL_EVERY_S)
    return left


if __name__ == "__main__":
    carry_out(read(sys.stdin.buffer.read()))
