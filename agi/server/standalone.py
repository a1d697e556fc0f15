"""One call in this process: what a launcher becomes when no server takes its call, and what `agi-server try` runs."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
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


def run_session(
    read_fd: int,
    write_fd: int,
    handshake: Handshake,
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
        environment = _read_environment(read_fd, write_fd, handshake, now + settings.environment_s)
        if environment.tampered is not None:
            log.warning(
                "The AGI environment of channel %s is forged (%s). The caller is treated as anonymous.",
                printable(environment.channel) or "unknown",
                environment.tampered,
            )
        script = scripts[environment.script]
        deadline = begun + (script.deadline_s or settings.deadline_s)
        ends = OwnDescriptors(read_fd, write_fd)
        io = BlockingIo(ends, deadline=deadline, limit=line_limit(environment.version), rest=handshake.rest)
        call = Call(environment, io, deadline=deadline, handed_over=True)
        started(call, deadline)
        ended_by_itself = _run_script(script, call, services)
        kept = io.kept
    finally:
        _send_pending(read_fd, write_fd, kept)
    return ended_by_itself


def main(argv: Sequence[str], read_fd: int, write_fd: int, *, held_s: float) -> int:
    """One call of `python -m agi`; its exit code. In the main thread, whose SIGHUP and SIGALRM it takes.

    Args:
        argv: [--config DIR] LAUNCHER [ARGUMENT…]
        read_fd, write_fd: Asterisk's, closed at the end.
        held_s: how long the call has been held already.
    """
    words = list(argv)
    config = None
    if words[:1] == ["--config"]:
        config = Path(words[1])
        words = words[2:]
    hung_up = False
    running: Call | None = None

    def on_hangup(*_: object) -> None:
        nonlocal hung_up
        hung_up = True
        if running is not None:
            running.caller_hung_up()

    def on_start(call: Call, deadline: float) -> None:
        nonlocal running
        running = call
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
        handshake = Handshake(script=Path(words[0]).stem, arguments=tuple(words[1:]))
        services = Services(places, active.pair)
        done = run_session(
            read_fd, write_fd, handshake, scripts, services, active.pair.agi, held_s=held_s, started=on_start
        )
        # The call has been given back; what keeps the next one from asking Domino again is written now.
        services.close()
    except (HotstandbyError, ChannelClosed) as error:
        log.error("%s", error)
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0 if done else 1


def take_standard_descriptors() -> tuple[int, int]:
    """Asterisk's descriptors 0 and 1 under other numbers: a script's print() must not become a command."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return read_fd, write_fd


def process_age_s() -> float:
    """Seconds since Asterisk started this process, the launcher's time included (proc(5), starttime)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return max(0.0, boottime() - int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def _read_environment(read_fd: int, write_fd: int, handshake: Handshake, deadline: float) -> Environment:
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    with contextlib.suppress(OSError):
        os.write(write_fd, handshake.command)
    while True:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise LateError("Asterisk did not send a whole AGI environment in time.")
        data = os.read(read_fd, 65536)
        if not data:
            raise EnvironmentRefused("The AGI environment ended before it was whole.")
        environment = handshake.feed(data)
        if environment is not None:
            return environment


def _run_script(script: Script, call: Call, services: Services) -> bool:
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


def _send_pending(read_fd: int, write_fd: int, kept: list[bytes]) -> None:
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
