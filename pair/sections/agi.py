"""[agi]: the AGI server."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pair.fields import Host, Port, Section

Seconds = Annotated[float, Field(gt=0, le=86400)]


class Agi(Section):
    """Settings of agi-server; the hand-over socket is always run/agi/agi.sock."""

    listen: Host = "127.0.0.1"
    """Where FastAGI listens. AGI knows no password, so anything but loopback wants a firewall."""
    port: Port = 4573
    """4573 is what agi:// means without a port."""
    deadline_s: Seconds = 5.0
    """How long a call may be held by a script that says nothing else."""
    environment_s: Seconds = 2.0
    """How long a session may take to say what call it is for."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32
    """Scripts that may wait for something (Domino, a menu) at the same time."""
    queue: Annotated[int, Field(ge=0, le=10000)] = 200
    """Sessions that may wait for their turn; what comes on top is sent back to the dialplan at once."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 4574
    """/healthz and /metrics, on loopback; 0 for none."""
