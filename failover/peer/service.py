"""The answering side: reads the peer's request, hands it to who carries it out, and logs what was asked.

It runs as the forced command of the peer's key: the request stands in the environment variable SSH_ORIGINAL_COMMAND,
what it asks with comes on standard input, and the answer goes back on standard output. What each request does here is
handed in; see failover/peer_handlers.py.
"""

from __future__ import annotations

import os
import select
import sys
import syslog
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from failover.context import Context
from failover.peer.messages import LONGEST, NotUnderstood, PeerAnswer, PeerRefusal, PeerRequest, Verb, parse_request
from host.places import Places
from host.printable import printable

INPUT_S: Final = 3.0
"""Seconds for what comes on standard input."""
LOG_LIMIT: Final = 1024 * 1024
"""Bytes of peer.log before it is moved to peer.log.1."""


def read_input() -> bytes:
    """What the asker sends besides; bounded in size and in time, and empty where it keeps to neither."""
    found, until = bytearray(), time.monotonic() + INPUT_S
    descriptor = sys.stdin.fileno()
    while len(found) <= LONGEST:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        part = os.read(descriptor, 65536) if ready else b""
        if not part:
            return bytes(found)
        found += part
    return b""


def output_is_closed() -> bool:
    """Whether the other end of our output is closed: sshd closes it when its connection ends."""
    try:
        waiting = select.poll()
        waiting.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in waiting.poll(0))
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, at the other end of a connection.

    Attributes:
        address: where from, for the log.
        read_input: what it sends besides the request.
        has_gone: whether nobody waits for the answer any more.
    """

    address: str = "somebody"
    read_input: Callable[[], bytes] = read_input
    has_gone: Callable[[], bool] = output_is_closed


Handler: TypeAlias = Callable[[Context, PeerRequest, Asker], PeerAnswer]
"""Carries out one kind of request. Refuses with a PeerRefusal; raises nothing on purpose."""


def answer(context: Context, request: str, asker: Asker, handlers: Mapping[Verb, Handler]) -> PeerAnswer:
    """The answer to a request in the words of SSH_ORIGINAL_COMMAND."""
    try:
        asked = parse_request(request)
    except NotUnderstood as error:
        log(context.places, f"refused {asker.address}: {error}")
        return PeerRefusal(reason=str(error))
    return handlers[asked.verb](context, asked, asker)


def asker_from(environ: Mapping[str, str]) -> Asker:
    """Who asks, as sshd tells it."""
    return Asker(environ.get("SSH_CONNECTION", "somebody").split(" ")[0])


def log(places: Places, words: str) -> None:
    """One line to syslog and to peer.log in the state directory; neither is waited for, and neither may fail us."""
    line = printable(words, 1000)
    syslog.syslog(syslog.LOG_AUTH | syslog.LOG_NOTICE, f"hotstandby peer: {line}")
    path = places.state / "peer.log"
    try:
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            os.write(descriptor, f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n".encode())
        finally:
            os.close(descriptor)
    except OSError:
        return
