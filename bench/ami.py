"""AMI: events a second, a poll of 10,000 contacts, and memory, beside panoramisk and pystrix.

Every reader gets the same bytes over a socket from a process of its own, and for every event a callback that reads one
header, so that nobody is measured without parsing. Readers alternate. Events are counted against the processor time
that the reader used, which on an idle machine is the time on the clock, and on a busy one still means something.

Messages read whole are compared with wazo-amid's parser where WAZO_AMID names a checkout of it, which is in no package
registry: both are given the same bytes in pieces of 64 KiB, and both end with a plain dict of each message.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import panoramisk

from ami_watcher.ami.message import AmiMessage
from ami_watcher.ami.session import AmiSession
from ami_watcher.ami.wire import AmiReader
from ami_watcher.follow.primary_session import DELIVERED_EVENTS
from ami_watcher.phones.contact import contacts_from
from bench.ami_feeder import busy_hour
from bench.result import NotHere, Result
from pair.sections.machine import Ami

EVENTS: Final = 40_000
CONTACTS: Final = 10_000
MILLION: Final = 1_000_000
MESSAGES: Final = 24_000
PIECE: Final = 65_536
"""Bytes of one read of a socket."""
DEADLINE_S: Final = 60.0
HEADERS: Final = {"ContactStatus": "ContactStatus", "PeerStatus": "PeerStatus", "Registry": "Status", "VarSet": "Value"}


def measure(*, runs: int) -> Result:
    """Events a second, ours and panoramisk's, and the other numbers in `more`.

    Raises:
        NotHere: pystrix is not installed.
    """
    try:
        import pystrix.ami.core  # noqa: F401
    except ImportError:
        raise NotHere("pystrix is missing; 'make bench' installs what it compares with.") from None
    ours: list[float] = []
    theirs: list[float] = []
    pystrix_runs: list[float] = []
    unwanted: list[float] = []
    hints: list[float] = []
    polls: list[float] = []
    their_polls: list[float] = []
    whole: list[float] = []
    four: list[float] = []
    framed: list[float] = []
    wazo: list[float] = []
    wazo_parser = _wazo_parser()
    with _feeder() as port:
        for _ in range(runs):
            whole.append(_read(_whole))
            four.append(_read(_four))
            framed.append(_read(_framed))
            if wazo_parser is not None:
                wazo.append(_wazo(wazo_parser))
            ours.append(asyncio.run(_ours(port, "mixed", EVENTS, parse=True)))
            theirs.append(asyncio.run(_panoramisk(port, "mixed", EVENTS)))
            pystrix_runs.append(_pystrix(port, "mixed", EVENTS // 4))
            hints.append(asyncio.run(_ours(port, "mixed", EVENTS, parse=False)))
            unwanted.append(asyncio.run(_unwanted(port, EVENTS)))
            polls.append(asyncio.run(_poll(port)))
            their_polls.append(asyncio.run(_panoramisk_poll(port)))
        grown = asyncio.run(_grown(port))
    pystrix_median = statistics.median(pystrix_runs)
    return Result(
        name="ami",
        what=f"{EVENTS:,} ContactStatus, PeerStatus and Registry events, one header of each read",
        against="panoramisk",
        unit="events/s",
        ours=ours,
        theirs=theirs,
        target="at least 3",
        more={
            "pystrix, events/s": pystrix_median,
            "ours over pystrix": statistics.median(ours) / pystrix_median,
            "ours, as hints (name read, not parsed), events/s": statistics.median(hints),
            "ours, events nobody wants (dropped unparsed), events/s": statistics.median(unwanted),
            "ours, a message of some 500 bytes read whole by dict(), messages/s": statistics.median(whole),
            **(
                {
                    "wazo-amid's parser, the same, messages/s": statistics.median(wazo),
                    "ours over wazo-amid (target: at least 1)": statistics.median(whole) / statistics.median(wazo),
                }
                if wazo
                else {}
            ),
            "ours, four headers of it, one of them absent, messages/s": statistics.median(four),
            "ours, the same messages framed alone, messages/s": statistics.median(framed),
            f"ours, a poll of {CONTACTS:,} contacts, s (target: under 1)": statistics.median(polls),
            "panoramisk, the same list, values not read, s": statistics.median(their_polls),
            f"memory grown from event 100,000 to event {MILLION:,}, KiB (target: flat)": grown,
        },
    )


def _read(look: Callable[[AmiMessage], object]) -> float:
    """Messages a second, framed and looked at."""
    wire = AmiReader()
    wire.feed(b"Asterisk Call Manager/5.0.4\r\n")
    stream = b"".join(busy_hour(MESSAGES))
    begun = time.process_time()
    for at in range(0, len(stream), PIECE):
        for message in wire.feed(stream[at : at + PIECE]):
            assert isinstance(message, AmiMessage)
            look(message)
    return MESSAGES / (time.process_time() - begun)


def _whole(message: AmiMessage) -> object:
    return dict(message)


def _four(message: AmiMessage) -> object:
    return message.get("Event"), message.get("Channel"), message.get("Uniqueid"), message.get("Absent")


def _framed(message: AmiMessage) -> object:
    return message.raw


def _wazo(parser: Any) -> float:
    """The same bytes through wazo-amid's parse_buffer, whose callbacks get a dict."""
    stream = b"".join(busy_hour(MESSAGES))

    def taken(*_: object) -> None:
        """Nothing more is done with it here either."""

    rest = b""
    begun = time.process_time()
    for at in range(0, len(stream), PIECE):
        rest = parser.parse_buffer(rest + stream[at : at + PIECE], taken, taken)
    return MESSAGES / (time.process_time() - begun)


def _wazo_parser() -> Any:
    """The module wazo_amid/ami/parser.py of the checkout that WAZO_AMID names; None without one."""
    where = os.environ.get("WAZO_AMID")
    path = Path(where, "wazo_amid", "ami", "parser.py") if where else None
    spec = importlib.util.spec_from_file_location("wazo_amid_parser", path) if path and path.is_file() else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _ours(port: int, kind: str, count: int, *, parse: bool) -> float:
    done = asyncio.Event()
    clock = _Clock(count, done.set)

    def callback(_: AmiSession, event: AmiMessage) -> None:
        if parse:
            event[HEADERS[event.event_name]]
        clock.one()

    session = AmiSession(Ami(port=port, username=f"{kind}-{count}"), "x")
    session.register_event("*", callback)
    await session.open(deadline_s=5.0)
    async with asyncio.timeout(DEADLINE_S):
        await done.wait()
    await session.close()
    return clock.rate


async def _unwanted(port: int, count: int) -> float:
    """Events that Wire drops: over when the reply to a Ping, which the feeder sends behind them, is here."""
    session = AmiSession(Ami(port=port, username=f"unwanted-{count}"), "x", wanted=DELIVERED_EVENTS)
    await session.open(deadline_s=5.0)
    begun = time.process_time()
    await session.action("Ping", deadline_s=DEADLINE_S)
    seconds = time.process_time() - begun
    await session.close()
    return session.skipped / seconds


async def _panoramisk(port: int, kind: str, count: int) -> float:
    done = asyncio.Event()
    clock = _Clock(count, done.set)

    def callback(_: Any, event: Any) -> None:
        event[HEADERS[event["Event"]]]
        clock.one()

    manager = _panoramisk_manager(port, f"{kind}-{count}")
    manager.register_event("*", callback)
    await manager.connect()
    async with asyncio.timeout(DEADLINE_S):
        await done.wait()
    _end(manager)
    return clock.rate


def _pystrix(port: int, kind: str, count: int) -> float:
    import pystrix.ami

    done = threading.Event()
    clock = _Clock(count, done.set)

    def callback(event: Any, _: Any) -> None:
        event[HEADERS[event.name]]
        clock.one()

    manager = pystrix.ami.Manager()
    for name in ("ContactStatus", "PeerStatus", "Registry"):
        manager.register_callback(name, callback)
    manager.connect("127.0.0.1", port)
    manager.send_action(pystrix.ami.core.Login(f"{kind}-{count}", "x"))
    assert done.wait(DEADLINE_S)
    manager.close()
    return clock.rate


async def _poll(port: int) -> float:
    session = AmiSession(Ami(port=port, username=f"contacts-{CONTACTS}"), "x")
    await session.open(deadline_s=5.0)
    begun = time.perf_counter()
    found = contacts_from(await session.listing("PJSIPShowContacts", deadline_s=DEADLINE_S))
    seconds = time.perf_counter() - begun
    assert len(found) == CONTACTS
    await session.close()
    return seconds


async def _panoramisk_poll(port: int) -> float:
    manager = _panoramisk_manager(port, f"contacts-{CONTACTS}")
    await manager.connect()
    await asyncio.sleep(0.1)
    begun = time.perf_counter()
    found = await manager.send_action({"Action": "PJSIPShowContacts"}, as_list=True)
    seconds = time.perf_counter() - begun
    assert len(found) == CONTACTS + 2
    _end(manager)
    return seconds


async def _grown(port: int) -> int:
    """KiB by which resident memory grew between the first tenth of a million events and the last."""
    done = asyncio.Event()
    sizes: dict[int, int] = {}
    clock = _Clock(MILLION, done.set)

    def callback(_: AmiSession, event: AmiMessage) -> None:
        event[HEADERS[event.event_name]]
        if clock.seen in (MILLION // 10, MILLION - 2):
            sizes[clock.seen] = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024
        clock.one()

    session = AmiSession(Ami(port=port, username=f"mixed-{MILLION}"), "x")
    session.register_event("*", callback)
    await session.open(deadline_s=5.0)
    async with asyncio.timeout(DEADLINE_S):
        await done.wait()
    await session.close()
    return sizes[MILLION - 2] - sizes[MILLION // 10]


class _Clock:
    """Counts to `count`, from the first event on."""

    def __init__(self, count: int, done: Callable[[], None]) -> None:
        self.seen = 0
        self.rate = 0.0
        self._count = count
        self._done = done
        self._begun = 0.0

    def one(self) -> None:
        if self.seen == 0:
            self._begun = time.process_time()
        self.seen += 1
        if self.seen == self._count:
            self.rate = self._count / (time.process_time() - self._begun)
            self._done()


def _panoramisk_manager(port: int, username: str) -> Any:
    return panoramisk.Manager(host="127.0.0.1", port=port, username=username, secret="x", ping_delay=3600)


def _end(manager: Any) -> None:
    """Without this it would connect again."""
    manager.connect = lambda *_: None
    manager.close()


@contextlib.contextmanager
def _feeder() -> Iterator[int]:
    argv = [sys.executable, "-m", "bench.ami_feeder"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
