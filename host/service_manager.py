"""What the service manager is told: sd_notify(3), the protocol alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(state: str, environ: Mapping[str, str] | None = None) -> bool:
    """Sends `state` ("READY=1", "WATCHDOG=1", "STATUS=…", lines joined by newlines) to the service manager.

    Returns:
        Whether there was one to tell. Failing to tell it is never an error of ours.
    """
    address = (os.environ if environ is None else environ).get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@":
        return False
    if address[0] == "@":
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def watchdog_interval_s(environ: Mapping[str, str] | None = None) -> float | None:
    """How often to send "WATCHDOG=1", in seconds: half of what the unit allows; None without a watchdog for us."""
    given = os.environ if environ is None else environ
    if given.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        allowed_s = int(given["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
    return allowed_s / 2 if allowed_s > 0 else None
