"""This machine's status, as it is told to the peer and to people."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from failover.context import Context
from failover.peer.messages import PeerStatus, Readiness
from failover.probes import own_asterisk
from failover.state import local_state, pause
from host import clock
from host.atomic import replace_file
from host.durations import at_most
from host.file_reading import read_file
from host.places import Places


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
        readiness=readiness(context.places),
        asterisk=pbx,
        # Last of all: the one who asks takes the moment of the answer for the moment of the clock.
        wall=time.time(),
    )


def note_readiness(places: Places, exit_code: int, names: tuple[str, ...]) -> None:
    """Keeps what `failover ready` came to, for whoever asks what this machine is; where that cannot be, nothing is."""
    kept = Readiness(at=time.time(), exit=exit_code, names=tuple(name[:200] for name in names[:200]))
    with contextlib.suppress(OSError):
        replace_file(_readiness_file(places), kept.model_dump_json().encode() + b"\n", mode=0o644)


def readiness(places: Places) -> Readiness | None:
    """What the last `failover ready` here came to; None where nobody looked since this machine started."""
    try:
        return Readiness.model_validate_json(read_file(_readiness_file(places)))
    except (OSError, ValueError):
        return None


def _readiness_file(places: Places) -> Path:
    return places.run / "ready.json"


def paused(context: Context) -> str:
    """The pause that holds, in words; empty where there is none."""
    try:
        found = pause.read_pause(context.places)
    except pause.PauseUnreadable as error:
        return str(error)
    return f"{found[0].reason} (for another {at_most(found[1])})" if found else ""
