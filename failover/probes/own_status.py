"""This machine's status, as it is told to the peer and to people."""

from __future__ import annotations

import time

from failover.context import Context
from failover.peer.messages import PeerStatus
from failover.probes import own_asterisk
from failover.state import local_state, pause
from host import clock
from host.durations import at_most
from pair.readiness import read_readiness


def status(context: Context) -> PeerStatus:
    """Looks at this machine; about 4 s at most, when its Asterisk hangs."""
    pbx = own_asterisk.read_pbx(context)
    found = local_state.read_state(context.places, context.machine)
    return PeerStatus(
        machine=context.machine,
        pair=context.pair.name,
        pair_digest=context.pair.digest,
        boot_id=clock.boot_id(),
        role=found.role,
        generation=found.generation,
        since=local_state.swapped_at(context.places),
        is_primary=found.is_primary,
        why=found.why,
        right_held=found.right.held,
        epoch=found.epoch,
        dns_role=local_state.dns_role_of(context.places),
        fenced=found.fenced,
        paused=paused(context),
        open_run=found.open_run,
        claim=found.claim,
        served=found.served,
        right_epoch=found.right.epoch if found.right.held else 0,
        warning=context.warning.partition("\n")[0][:600],
        readiness=read_readiness(context.places),
        asterisk=pbx,
        # Last of all: the one who asks takes the moment of the answer for the moment of the clock.
        wall=time.time(),
    )


def paused(context: Context) -> str:
    """The pause that holds, in words; empty where there is none."""
    try:
        found = pause.read_pause(context.places)
    except pause.PauseUnreadable as error:
        return str(error)
    return f"{found[0].reason} (for another {at_most(found[1])})" if found else ""
