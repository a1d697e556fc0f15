"""[fence]: a program of the admin's that cuts the peer off: a power switch, a hypervisor, a carrier's API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pair.fields import Line, Section

Argv = Annotated[tuple[Line, ...], Field(min_length=1, max_length=64)]
Seconds = Annotated[float, Field(ge=1.0, le=300.0)]


class Fence(Section):
    """The programs get HOTSTANDBY_MACHINE (here), HOTSTANDBY_PEER (to be cut off), HOTSTANDBY_PEER_ADDRESS and
    HOTSTANDBY_EPOCH in their environment. No secret belongs into an argument: let the program read it from a file."""

    command: Argv
    """Cuts the peer off; program and arguments, run without a shell. It may be run again when it is so already."""
    verify: Argv
    """Proves it: exit 0 when the peer certainly runs nothing any more, anything else when that is not known."""
    command_deadline_s: Seconds = 30.0
    """Seconds until `command` is stopped; what it achieved by then is seen by `verify`."""
    verify_deadline_s: Seconds = 15.0
    """For each try of `verify`, and in all after `command` has ended."""
