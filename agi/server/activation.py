"""Listening sockets: those that systemd holds for us (sd_listen_fds(3)), or our own.

With systemd's, callers queue in the kernel while the server restarts, and none of them notices.
"""

from __future__ import annotations

import grp
import os
import socket
from collections.abc import MutableMapping

from agi.server import hand_over
from host.atomic import own_directory
from host.errors import UsageError
from host.places import Places
from pair.model import Pair


def systemd_sockets(environ: MutableMapping[str, str] | None = None) -> list[socket.socket]:
    """The sockets that the service manager passed to this process, non-blocking; none when it passed none.

    The variables are taken out of the environment, so that no child believes that they are meant for it.
    """
    given = os.environ if environ is None else environ
    count, pid = given.pop("LISTEN_FDS", ""), given.pop("LISTEN_PID", "")
    given.pop("LISTEN_FDNAMES", None)
    if not count.isdecimal() or pid != str(os.getpid()):
        return []
    found = []
    for descriptor in range(3, 3 + int(count)):
        os.set_inheritable(descriptor, False)
        listener = socket.socket(fileno=descriptor)
        listener.setblocking(False)
        found.append(listener)
    return found


def listen_fastagi(pair: Pair) -> socket.socket:
    """Our own FastAGI socket.

    Raises:
        UsageError: the address cannot be had.
    """
    settings = pair.agi
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.listen, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        raise UsageError(
            f"FastAGI cannot listen on {settings.listen} port {settings.port} ({error.strerror or error}). "
            "Change agi.listen or agi.port in pair.toml, or end what listens there: ss -ltnp"
        ) from None
    return listener


def listen_handover(places: Places, pair: Pair) -> socket.socket:
    """Our own hand-over socket, for root and the Asterisk group alone.

    Raises:
        UsageError: it cannot be made.
    """
    path = places.agi_socket
    group: int | None = None
    if os.geteuid() == 0:
        try:
            group = grp.getgrnam(pair.asterisk.group).gr_gid
        except KeyError:
            # No such group here: then root alone may hand over, which is safe, and the launcher falls back.
            group = None
    try:
        own_directory(path.parent)
        return hand_over.listen(str(path), group=group)
    except OSError as error:
        raise UsageError(
            f"The hand-over socket {path} cannot be made ({error.strerror or error}). "
            f"Its directory must belong to the user of agi-server: systemd makes it, or type: mkdir -p {path.parent}"
        ) from None
