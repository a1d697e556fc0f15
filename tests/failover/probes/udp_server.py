"""A UDP server in this process, for probes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def udp(reply: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """Its port; each datagram is answered with what `reply` makes of it, None for nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def serve() -> None:
            try:
                while True:
                    data, source = server.recvfrom(4096)
                    if (said := reply(data)) is not None:
                        server.sendto(said, source)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
