"""[agi]: the AGI server."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pair.fields import Host, Port, Section

Seconds = Annotated[float, Field(gt=0, le=86400)]


class Agi(Section):
    """Settings of agi-server; the hand-over socket is always run/agi.sock.

    Attributes:
        listen: where FastAGI listens. AGI knows no password, so anything but loopback wants a firewall.
        port: 4573 is what agi:// means without a port.
        deadline_s: how long a call may be held by a script that says nothing else.
        environment_s: how long a session may take to say what call it is for.
        concurrency: scripts that may wait for something (Domino, a menu) at the same time.
        queue: sessions that may wait for their turn; what comes on top is sent back to the dialplan at once.
        health_port: /healthz and /metrics, on loopback; 0 for none.
    """

    listen: Host = "127.0.0.1"
    port: Port = 4573
    deadline_s: Seconds = 5.0
    environment_s: Seconds = 2.0
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32
    queue: Annotated[int, Field(ge=0, le=10000)] = 200
    health_port: Annotated[int, Field(ge=0, le=65535)] = 4574
