"""One call in this process: what a launcher becomes when no server takes its call, and what `agi-server try` runs."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pair as model
from agi.protocol.call import Call
from agi.protocol.channel_io import BlockingIo, ChannelClosed
from agi.protocol.environment import Environment
from agi.protocol.errors import AgiError, EnvironmentRefused, LateError
from agi.protocol.handshake import Handshake
from agi.protocol.quoting import line_limit
from agi.protocol.replies import ReplyReader
from agi.protocol.vocabulary import AGIHangup
from agi.script import Script, Scripts, Services
from agi.server.descriptors import OwnDescriptors
from host.clock import boottime
from host.errors import HotstandbyError
from host.places import Places
from host.printable import printable
from pair.sections.agi import Agi

log = logging.getLogger("agi")


def converse(
    read_fd: int,
    write_fd: int,
    opening: Handshake,
    scripts: Scripts,
    services: Services,
    settings: Agi,
    *,
    held_s: float = 0.0,
    started: Callable[[Call, float], None] = lambda _call, _deadline: None,
) -> bool:
    """One whole session over two descriptors, which are closed at its end.

    Args:
        held_s: how long the call has been held already; it counts.
        started: told the call and its deadline before the script runs.

    Returns:
        Whether the script ended by itself, or with the call.

    Raises:
        AgiError: there is no such script, or what arrived is no environment.
    """
    now = time.monotonic()
    begun = now - held_s
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    kept: list[bytes] = []
    try:
        environment = _opened(read_fd, write_fd, opening, now + settings.environment_s)
        if environment.tampered is not None:
            log.warning(
                "The AGI environment of channel %s is forged (%s). The caller is treated as anonymous.",
                printable(environment.channel) or "unknown",
                environment.tampered,
            )
        script = scripts[environment.script]
        deadline = begun + (script.deadline_s or settings.deadline_s)
        ends = OwnDescriptors(read_fd, write_fd)
        io = BlockingIo(ends, deadline=deadline, limit=line_limit(environment.version), rest=opening.rest)
        call = Call(environment, io, deadline=deadline, handed_over=True)
        started(call, deadline)
        ended_well = _ran(script, call, services)
        kept = io.kept
    finally:
        _finish(read_fd, write_fd, kept)
    return ended_well


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m agi [--config DIR] LAUNCHER [ARGUMENT…]`, with Asterisk on descriptors 0 and 1; its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format="agi: %(message)s", level=logging.WARNING)
    config = None
    if words[:1] == ["--config"]:
        config = Path(words[1])
        words = words[2:]
    # A script's print() must not become a command.
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    hung_up: list[Call | None] = []
    calls: list[Call] = []

    def on_hangup(*_: object) -> None:
        hung_up.append(None)
        for call in calls:
            call.caller_hung_up()

    def on_start(call: Call, deadline: float) -> None:
        calls.append(call)
        if hung_up:
            call.caller_hung_up()
        # Whatever the script is doing then: this signal ends the process, and Asterisk sees the end of its pipe.
        signal.setitimer(signal.ITIMER_REAL, max(0.1, deadline - time.monotonic() + 0.5))

    signal.signal(signal.SIGHUP, on_hangup)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # blocked by the launcher
    try:
        places = Places.standard(config)
        active = model.active(places)
        if active.warning:
            log.warning("%s", active.warning)
        scripts = Scripts(places.config / "agi")
        opening = Handshake(script=Path(words[0]).stem, arguments=tuple(words[1:]))
        services = Services(places, active.pair)
        done = converse(
            read_fd, write_fd, opening, scripts, services, active.pair.agi, held_s=_age_s(), started=on_start
        )
        # The call has been given back; what keeps the next one from asking Domino again is written now.
        services.close()
    except (HotstandbyError, ChannelClosed) as error:
        log.error("%s", error)
        return 1
    return 0 if done else 1


def _age_s() -> float:
    """Seconds since Asterisk started this process, the launcher's time included (proc(5), starttime)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return max(0.0, boottime() - int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def _opened(read_fd: int, write_fd: int, opening: Handshake, deadline: float) -> Environment:
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    with contextlib.suppress(OSError):
        os.write(write_fd, opening.command)
    while True:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise LateError("Asterisk did not send a whole AGI environment in time.")
        data = os.read(read_fd, 65536)
        if not data:
            raise EnvironmentRefused("The AGI environment ended before it was whole.")
        environment = opening.feed(data)
        if environment is not None:
            return environment


def _ran(script: Script, call: Call, services: Services) -> bool:
    try:
        script.run(call, services)
    except (AGIHangup, ChannelClosed):
        return True
    except LateError as error:
        log.warning("%s: %s", script.name, error)
        return False
    except Exception:
        log.exception("%s failed; the call goes on without it.", script.name)
        return False
    return True


def _finish(read_fd: int, write_fd: int, kept: list[bytes]) -> None:
    """Sends what was kept back in one write, ends our side, and reads until Asterisk has answered all of it.

    Not until Asterisk ends its side: it does so after it has waited for this process (waitpid).
    """
    left = memoryview(b"".join(kept))
    until = time.monotonic() + 1.0
    with contextlib.suppress(OSError):
        while left and time.monotonic() < until:
            try:
                left = left[os.write(write_fd, left) :]
            except BlockingIOError:
                select.select([], [write_fd], [], 0.1)
    os.close(write_fd)
    answers = ReplyReader()
    awaited = len(kept)
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    with contextlib.suppress(OSError, AgiError):
        while awaited and poll.poll(max(0.0, until - time.monotonic()) * 1000):
            data = os.read(read_fd, 65536)
            if not data:
                break
            answers.feed(data)
            while answers.next() is not None:
                awaited -= 1
    os.close(read_fd)
