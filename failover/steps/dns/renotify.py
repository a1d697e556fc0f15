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

from failover.name_servers.agreement import NameServer
from failover.name_servers.notify import notify_all
from failover.name_servers.query import query_server, query_servers
from failover.name_servers.transport import DnsTransport
from failover.steps.dns.lag import STUCK_S, TELL_EVERY_S, is_behind
from host.file_reading import from_json
from pair.tsig_key import TsigKey

LASTS_S: Final = 2.0 * STUCK_S
"""Seconds: longer than a BIND asks a dead primary, also where transfers of several zones wait for each other."""
_SILENT_ROUNDS: Final = 3
"""Rounds without an answer of our own server, after which there is nothing to tell of."""


@dataclass(frozen=True, slots=True)
class RenotifyTask:
    """What a reminder needs to know.

    Attributes:
        zone: without the final dot.
        own: our own server.
        line: how servers are reached.
        whom: those that lag.
        key: signs NOTIFY, where secondaries want it.
    """

    zone: str
    own: NameServer
    line: DnsTransport
    whom: tuple[NameServer, ...]
    key: TsigKey | None = None


def start(task: RenotifyTask) -> None:
    """Starts a process that tells them and outlives this one, with no terminal and no files of ours open.

    The task goes through a pipe: a key must not stand in an argument list.

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
        pipe.write(encode_task(task))


def encode_task(task: RenotifyTask) -> bytes:
    """The task for the pipe."""
    return json.dumps(asdict(task)).encode()


def decode_task(data: bytes) -> RenotifyTask:
    """The task from the pipe."""
    said = from_json(data)
    return RenotifyTask(
        said["zone"],
        NameServer(**said["own"]),
        DnsTransport(**said["line"]),
        tuple(NameServer(**each) for each in said["whom"]),
        TsigKey(**said["key"]) if said["key"] else None,
    )


def renotify(task: RenotifyTask) -> Sequence[NameServer]:
    """Tells them until none is behind, our own server is gone, or LASTS_S are over; returns who is still behind."""
    until = time.monotonic() + LASTS_S
    left: Sequence[NameServer] = task.whom
    silent = 0
    while left and silent < _SILENT_ROUNDS and time.monotonic() < until:
        own = query_server(task.own, task.zone, (), task.line)
        silent = silent + 1 if own.failure else 0
        if not own.failure:
            heard = query_servers(left, task.zone, (), task.line)
            left = [seen.server for seen in heard if seen.silent or is_behind(seen, own.serial)]
            notify_all(left, task.zone, own.soa, task.line, task.key)
        if left:
            time.sleep(TELL_EVERY_S)
    return left


if __name__ == "__main__":
    renotify(decode_task(sys.stdin.buffer.read()))
