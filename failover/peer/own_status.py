"""This machine's status, as it is told to the peer and to people."""

from __future__ import annotations

import time

from failover.here import Here
from failover.peer.words import Status
from failover.probes import own_asterisk
from failover.standing import pause, standing
from failover.words import lasting
from host import clock


def status(here: Here) -> Status:
    """Looks at this machine; about 4 s at most, when its Asterisk hangs."""
    pbx = own_asterisk.look(here)
    found = standing.look(here.places, here.machine)
    return Status(
        machine=here.machine,
        pair=here.pair.name,
        pair_digest=here.pair.digest,
        boot_id=clock.boot_id(),
        role=found.role,
        generation=found.generation,
        since=standing.swapped_at(here.places),
        is_primary=found.is_primary,
        why=found.why,
        right_held=found.right.held,
        epoch=found.epoch,
        dns_role=standing.dns_role_of(here.places),
        fenced=found.fenced,
        paused=paused(here),
        open_run=found.open_run,
        claim=found.claim,
        served=found.served,
        asterisk=pbx,
        # Last of all: the one who asks takes the moment of the answer for the moment of the clock.
        wall=time.time(),
    )


def paused(here: Here) -> str:
    """The pause that holds, in words; empty where there is none."""
    try:
        found = pause.now(here.places)
    except pause.PauseUnreadable as error:
        return str(error)
    return f"{found[0].reason} (for another {lasting(found[1])})" if found else ""
